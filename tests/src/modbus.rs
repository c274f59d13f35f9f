//! A Modbus TCP server for the demo and for load: units whose registers are given by a function of unit, table, address and time.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What stands at a place: unit, function, address; none where there is nothing. A unit without a place 0 to 3 in any table is not
/// there, and silent.
pub type RegisterFunction = dyn Fn(u8, u8, u16) -> Option<u16> + Send + Sync;

/// Serves until it is dropped.
pub async fn serve(listener: TcpListener, place: std::sync::Arc<RegisterFunction>) {
    while let Ok((peer, _)) = listener.accept().await {
        let place = std::sync::Arc::clone(&place);
        tokio::spawn(async move {
            let _ = answer(peer, &*place).await;
        });
    }
}

async fn answer(mut peer: TcpStream, place: &RegisterFunction) -> std::io::Result<()> {
    peer.set_nodelay(true)?;
    let mut request = [0; 12];
    loop {
        peer.read_exact(&mut request).await?;
        let (unit, function) = (request[6], request[7]);
        let start = u16::from_be_bytes([request[8], request[9]]);
        let count = u16::from_be_bytes([request[10], request[11]]).min(125);
        let words: Option<Vec<u16>> =
            (0..count).map(|offset| place(unit, function, start.checked_add(offset)?)).collect();
        let there = (1..=4).any(|function| (0..4).any(|address| place(unit, function, address).is_some()));
        if !there {
            continue;
        }
        let pdu = match words {
            None => vec![function | 0x80, 2],
            Some(words) if function <= 2 => {
                let bytes: Vec<u8> = words
                    .chunks(8)
                    .map(|eight| {
                        eight.iter().enumerate().fold(0, |byte, (bit, word)| byte | u8::from(*word != 0) << bit)
                    })
                    .collect();
                [vec![function, u8::try_from(bytes.len()).unwrap_or(0)], bytes].concat()
            }
            Some(words) => {
                let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
                [vec![function, u8::try_from(bytes.len()).unwrap_or(0)], bytes].concat()
            }
        };
        let mut answer = request[..4].to_vec();
        answer.extend(u16::try_from(pdu.len() + 1).unwrap_or(0).to_be_bytes());
        answer.push(unit);
        answer.extend(pdu);
        peer.write_all(&answer).await?;
    }
}
