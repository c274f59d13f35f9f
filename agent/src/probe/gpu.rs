//! Graphics processors: NVIDIA through `nvidia-smi`, AMD through sysfs (Documentation/gpu/amdgpu).

use ioc_common::reading::{Gpu, Gpus};

use crate::machine::{Found, Machine, Surveyed, absent};
use crate::probe::Outcome;

const QUERY: &str = "--query-gpu=pci.bus_id,name,driver_version,serial,memory.total,memory.used,utilization.gpu,temperature.gpu,fan.speed,power.draw,ecc.errors.uncorrected.volatile.total";

/// Makes the survey.
///
/// # Errors
/// *Absent* without such a processor, *unknown* when its driver does not answer.
pub fn survey(machine: &Machine<'_>) -> Surveyed {
    let mut gpus = Gpus { gpus: amd(machine) };
    match machine.ask("nvidia-smi", &[QUERY, "--format=csv,noheader,nounits"], 30) {
        Ok(output) if output.code == Some(0) => gpus.gpus.extend(parse_nvidia(&String::from_utf8_lossy(&output.text))),
        // The tool without a card, or a driver that does not fit: it says so, and that is a fault of its own.
        Ok(output) if gpus.gpus.is_empty() => {
            return Err(crate::machine::unknown(&format!(
                "nvidia-smi: {}",
                String::from_utf8_lossy(&output.text).trim()
            )));
        }
        Ok(_) | Err(Outcome::Absent { .. }) => {}
        Err(other) if gpus.gpus.is_empty() => return Err(other),
        Err(_) => {}
    }
    if gpus.gpus.is_empty() {
        return Err(absent(&"no nvidia-smi and no amdgpu below /sys/class/drm"));
    }
    Found::of(&gpus, machine.now)
}

/// Reads `nvidia-smi --query-gpu --format=csv,noheader,nounits`; what a card does not tell is `[N/A]`.
#[must_use]
pub fn parse_nvidia(text: &str) -> Vec<Gpu> {
    text.lines()
        .filter_map(|line| {
            let fields: Vec<&str> = line.split(',').map(str::trim).collect();
            let [id, model, driver, serial, total, used, busy, temperature, fan, power, errors] = fields.as_slice()
            else {
                return None;
            };
            let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
            let text = |text: &str| if text.starts_with('[') { String::new() } else { text.to_owned() };
            let share = number(used)
                .zip(number(total))
                .filter(|(_, total)| *total > 0.0)
                .map(|(used, total)| used / total * 100.0);
            Some(Gpu {
                // 00000000:3B:00.0 -> 3B:00.0
                id: id.split_once(':').map_or(*id, |(_, rest)| rest).to_owned(),
                model: text(model),
                driver: format!("nvidia {}", text(driver)),
                serial: text(serial),
                memory: number(total).map(|mib| (mib * 1_048_576.0) as u64),
                uncorrected_errors: errors.parse().ok(),
                now: [number(temperature), number(busy), share, number(fan), number(power)],
            })
        })
        .collect()
}

fn amd(machine: &Machine<'_>) -> Vec<Gpu> {
    let cards = machine.names("/sys/class/drm");
    let cards = cards.iter().filter(|name| name.starts_with("card") && !name.contains('-'));
    cards
        .filter_map(|card| {
            let base = format!("/sys/class/drm/{card}/device");
            let busy: f64 = machine.number_if(&format!("{base}/gpu_busy_percent"))?;
            let number = |file: &str| machine.number_if::<f64>(&format!("{base}/{file}"));
            let sensors = machine.names(&format!("{base}/hwmon")).into_iter().next();
            let sensor = |file: &str, scale: f64| Some(number(&format!("hwmon/{}/{file}", sensors.as_ref()?))? / scale);
            let memory = number("mem_info_vram_total");
            let used = number("mem_info_vram_used").zip(memory).filter(|(_, total)| *total > 0.0);
            let fan = sensor("pwm1", 2.55);
            Some(Gpu {
                id: machine.link_name(&base).unwrap_or_else(|| card.clone()),
                model: machine.text_if(&format!("{base}/product_name")).unwrap_or_default(),
                driver: "amdgpu".to_owned(),
                serial: machine.text_if(&format!("{base}/unique_id")).unwrap_or_default(),
                memory: memory.map(|bytes| bytes as u64),
                uncorrected_errors: None,
                now: [
                    sensor("temp1_input", 1000.0),
                    Some(busy),
                    used.map(|(used, total)| used / total * 100.0),
                    fan,
                    sensor("power1_average", 1e6),
                ],
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::testing::Captured;

    #[test]
    fn nvidia_and_amd() {
        let captured = Captured::new(&[
            ("/sys/class/drm/card1/device/gpu_busy_percent", "12\n"),
            ("/sys/class/drm/card1/device/mem_info_vram_total", "8000\n"),
            ("/sys/class/drm/card1/device/mem_info_vram_used", "2000\n"),
            ("/sys/class/drm/card1/device/hwmon/hwmon3/temp1_input", "54000\n"),
        ]);
        captured.says(
            "nvidia-smi",
            &[QUERY, "--format=csv,noheader,nounits"],
            0,
            "00000000:3B:00.0, NVIDIA RTX A4000, 535.183.01, 1320923, 16376, 1024, 5, 45, 41, 31.18, [N/A]\n",
        );
        let found = survey(&captured.machine("2026-11-24T00:00:00Z")).expect("read");
        assert_eq!((found.number("gpu.temperature", "3B:00.0"), found.number("gpu.fan", "3B:00.0")), (45.0, 41.0));
        assert!(found.number("gpu.errors", "3B:00.0").is_nan());
        assert_eq!((found.number("gpu.busy", "card1"), found.number("gpu.memory_used_pct", "card1")), (12.0, 25.0));
        assert_eq!(found.number("gpu.temperature", "card1"), 54.0);
        assert!(survey(&Captured::new(&[]).machine("2026-11-24T00:00:00Z")).is_err());
    }
}
