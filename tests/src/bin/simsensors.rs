//! `ioc-simsensors`: a room with a thermometer, a UPS, contacts and a power meter, for the demo. Every few minutes the mains fail for a
//! while, and the air conditioning with them.

use std::sync::Arc;

use clap::Parser;
use ioc_common::clock;
use tokio::net::TcpListener;

#[derive(Parser)]
struct Options {
    /// Address to listen at.
    #[arg(long, default_value = "127.0.0.1:15020")]
    listen: String,
    /// When the mains first fail, seconds after the start.
    #[arg(long, default_value_t = 90)]
    first_s: u64,
}

/// Between two failures of the mains, and how long one lasts, seconds.
const EVERY_S: u64 = 300;
const LASTS_S: u64 = 60;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let started_ms = clock::boottime_ms();
    let listener = TcpListener::bind(&options.listen).await?;
    let place = move |unit: u8, function: u8, address: u16| {
        let seconds = (clock::boottime_ms() - started_ms) / 1000;
        let out_s = seconds.checked_sub(options.first_s).map(|since| since % EVERY_S).filter(|since| *since < LASTS_S);
        let wave = (seconds as f64 / 47.0).sin();
        word(unit, function, address, wave, out_s)
    };
    ioc_tests::modbus::serve(listener, Arc::new(place)).await;
    Ok(())
}

/// `out_s`: for how long the mains have been out.
fn word(unit: u8, function: u8, address: u16, wave: f64, out_s: Option<u64>) -> Option<u16> {
    let warmer = out_s.map_or(0.0, |since| since as f64 / 12.0);
    let float = |value: f32, low: bool| if low { value.to_bits() as u16 } else { (value.to_bits() >> 16) as u16 };
    match (unit, function) {
        // xy-md02
        (1, 4) => match address {
            1 => Some(((22.4 + wave * 0.6 + warmer) * 10.0) as u16),
            2 => Some(((54.0 - wave * 3.0) * 10.0) as u16),
            _ => None,
        },
        // apc-ups
        (2, 3) => Some(match address {
            1 => {
                if out_s.is_some() {
                    4
                } else {
                    2
                }
            }
            129 => 1500 - out_s.unwrap_or(0) as u16 * 9,
            130 => ((100.0 - out_s.unwrap_or(0) as f64 * 0.5) * 512.0) as u16,
            131 => 27 * 32,
            133 => 9131,
            135 => 26 * 128,
            136 => ((38.0 + wave * 2.0) * 256.0) as u16,
            142 => 220 * 64,
            144 => 50 * 128,
            151 => {
                if out_s.is_some() {
                    0
                } else {
                    221 * 64
                }
            }
            532..=535 => [0x534D, 0x5431, 0x3530, 0x3049][usize::from(address) - 532],
            564..=567 => [0x4153, 0x3233, 0x3139, 0x3431][usize::from(address) - 564],
            0..=600 => 0,
            _ => return None,
        }),
        // contacts: smoke, water, door
        (3, 2) => (address < 8).then_some(0),
        // eastron-sdm630
        (4, 4) => {
            let volt = if out_s.is_some() { 0.0 } else { 224.0 + wave as f32 * 2.0 };
            let value = match address / 2 {
                0..=2 => volt,
                3..=5 => {
                    if out_s.is_some() {
                        0.0
                    } else {
                        6.2
                    }
                }
                6..=8 => volt * 6.2,
                26 => volt * 18.6,
                31 => 0.97,
                35 => 50.0,
                36 => 18_234.5,
                _ => 0.0,
            };
            (address < 400).then(|| float(value, address % 2 == 1))
        }
        _ => None,
    }
}
