//! Graphics processors: NVIDIA through `nvidia-smi`, AMD through sysfs (Documentation/gpu/amdgpu).

use ioc_common::reading::{Findings, Gpu, Gpus};

use crate::ProbeOutcome;
use crate::capture_rule::CapturedFiles;
use crate::descriptor::{Card, SurveyDescriptor};
use crate::survey_context::{SurveyContext, SurveyFindings, SurveyResult, absent};

pub(crate) const PROBE: SurveyDescriptor = SurveyDescriptor {
    probe: Gpus::PROBE,
    deadline_s: 40,
    watch: &[],
    privileged: true,
    needs: Some("nvidia-smi and /dev/nvidia* (the helper unit), or the amdgpu driver"),
    whole_memo: None,
    programs: &["nvidia-smi"],
    captured: CapturedFiles::whole(&["/sys/class/drm/*/*", "/sys/class/drm/*/device/*"]),
    processes: &[],
    card: Card {
        article: "6.2",
        vi: "Bộ xử lý đồ hoạ",
        en: "Graphics processors",
        reads: "`nvidia-smi`, amdgpu's sysfs",
        cost: "20 ms with nvidia-smi",
    },
    read: survey,
};

const QUERY: &str = "--query-gpu=pci.bus_id,name,driver_version,serial,memory.total,memory.used,utilization.gpu,temperature.gpu,fan.speed,power.draw,ecc.errors.uncorrected.volatile.total";

/// Makes the survey.
///
/// # Errors
/// *Absent* without such a processor, *unknown* when its driver does not answer.
pub fn survey(context: &SurveyContext<'_>) -> SurveyResult {
    let mut gpus = Gpus::default();
    amd(context, &mut gpus);
    // The tool without a card, or a driver that does not fit: it says so, and that is a fault of its own.
    match context.ask("nvidia-smi", &[QUERY, "--format=csv,noheader,nounits"], 30).parse(parse_nvidia) {
        Ok(found) => {
            gpus.gpus.extend(found.gpus);
            gpus.unknown.extend(found.unknown);
        }
        Err(ProbeOutcome::Absent { .. }) => {}
        Err(other) if gpus.gpus.is_empty() => return Err(other),
        Err(ProbeOutcome::Unknown { why }) => gpus.unknown.push(why),
        Err(ProbeOutcome::Read) => {}
    }
    if gpus.gpus.is_empty() {
        return Err(absent(&"no nvidia-smi and no amdgpu below /sys/class/drm"));
    }
    SurveyFindings::of(&gpus, context.now)
}

/// Reads `nvidia-smi --query-gpu --format=csv,noheader,nounits`; what a card does not tell is `[N/A]`. A line that is no card stands
/// for one that does not answer (`Unable to determine the device handle for GPU 0000:3B:00.0: GPU is lost`).
///
/// # Errors
/// When no line is a card.
pub fn parse_nvidia(text: &str) -> Result<Gpus, String> {
    let mut gpus = Gpus::default();
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let is_card =
            |id: &str| id.contains(':') && id.bytes().all(|b| b.is_ascii_hexdigit() || b == b':' || b == b'.');
        match fields.as_slice() {
            [id, model, driver, serial, total, used, busy, temperature, fan, power, errors] if is_card(id) => {
                let numbers = [*total, *used, *busy, *temperature, *fan, *power, *errors];
                let (gpu, silent) = nvidia_card(id, [*model, *driver, *serial], numbers);
                gpus.unknown.extend(silent.map(|why| format!("{}: {why}", gpu.id)));
                gpus.gpus.push(gpu);
            }
            _ => gpus
                .unknown
                .push(format!("nvidia-smi: not understood: {}", line.trim().chars().take(200).collect::<String>())),
        }
    }
    if gpus.gpus.is_empty() {
        return Err(gpus.unknown.into_iter().next().unwrap_or_else(|| "printed nothing".to_owned()));
    }
    Ok(gpus)
}

/// A card by its texts (model, driver, serial) and numbers, and why it does not tell some of them.
fn nvidia_card(id: &str, [model, driver, serial]: [&str; 3], numbers: [&str; 7]) -> (Gpu, Option<String>) {
    let text = |text: &str| if text.starts_with('[') { String::new() } else { text.to_owned() };
    // `[N/A]` and `[Not Supported]` are what the card does not have; all else is a fault.
    let usual = |text: &&str| matches!(text.to_lowercase().as_str(), "[n/a]" | "n/a" | "[not supported]");
    let silent = numbers.iter().find(|text| text.parse::<f64>().is_err() && !usual(text));
    let silent = silent.map(|text| format!("says {text} in place of a number"));
    let [total, used, busy, temperature, fan, power, errors] = numbers;
    let number = |text: &str| text.parse::<f64>().ok().filter(|number| number.is_finite());
    let share = number(used).zip(number(total)).filter(|(_, total)| *total > 0.0);
    let gpu = Gpu {
        // 00000000:3B:00.0 -> 3B:00.0
        id: id.split_once(':').map_or(id, |(_, rest)| rest).to_owned(),
        model: text(model),
        driver: format!("nvidia {}", text(driver)).trim_end().to_owned(),
        serial: text(serial),
        memory: number(total).map(|mib| (mib * 1_048_576.0) as u64),
        uncorrected_errors: errors.parse().ok(),
        now: [
            number(temperature),
            number(busy),
            share.map(|(used, total)| used / total * 100.0),
            number(fan),
            number(power),
        ],
    };
    (gpu, silent)
}

fn amd(context: &SurveyContext<'_>, gpus: &mut Gpus) {
    let cards = context.names("/sys/class/drm");
    for card in cards.iter().filter(|name| name.starts_with("card") && !name.contains('-')) {
        let base = format!("/sys/class/drm/{card}/device");
        let busy = context.text(&format!("{base}/gpu_busy_percent"));
        let amdgpu = context.link_name(&format!("{base}/driver")).as_deref() == Some("amdgpu");
        // Older ones of the same maker have another driver, which tells none of this.
        if !amdgpu && busy.as_ref().is_err_and(crate::bounded_io::ReadError::is_absent) {
            continue;
        }
        let id = context.link_name(&base).unwrap_or_else(|| card.clone());
        let busy = busy.map_err(|error| error.to_string());
        let busy = busy.and_then(|text| text.parse::<f64>().map_err(|_| format!("gpu_busy_percent says {text:?}")));
        let busy = busy.map_err(|why| gpus.unknown.push(format!("{id}: {why}"))).ok();
        let number = |file: &str| context.number_if::<f64>(&format!("{base}/{file}"));
        let sensors = context.names(&format!("{base}/hwmon")).into_iter().next();
        let sensor = |file: &str, scale: f64| Some(number(&format!("hwmon/{}/{file}", sensors.as_ref()?))? / scale);
        let memory = number("mem_info_vram_total");
        let used = number("mem_info_vram_used").zip(memory).filter(|(_, total)| *total > 0.0);
        gpus.gpus.push(Gpu {
            id,
            model: context.text_if(&format!("{base}/product_name")).unwrap_or_default(),
            driver: "amdgpu".to_owned(),
            serial: context.text_if(&format!("{base}/unique_id")).unwrap_or_default(),
            memory: memory.map(|bytes| bytes as u64),
            uncorrected_errors: None,
            now: [
                sensor("temp1_input", 1000.0),
                busy,
                used.map(|(used, total)| used / total * 100.0),
                sensor("pwm1", 2.55),
                sensor("power1_average", 1e6).or_else(|| sensor("power1_input", 1e6)),
            ],
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::survey_context::testing::CapturedMachine;

    #[test]
    fn nvidia_and_amd() {
        let captured = CapturedMachine::new(&[
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
        assert!(survey(&CapturedMachine::new(&[]).machine("2026-11-24T00:00:00Z")).is_err());
    }

    #[test]
    fn a_card_that_does_not_answer_hides_no_other() {
        let row = "00000000:3B:00.0, NVIDIA A2, 535.183.01, 13209, 15356, 10, 5, 45, [N/A], 31.18, 0\n";
        let lost = "Unable to determine the device handle for GPU 0000:AF:00.0: GPU is lost.  Reboot the system to recover this GPU\n";
        let both = parse_nvidia(&format!("{row}{lost}")).expect("one answers");
        assert_eq!((both.gpus.len(), both.unknown.len()), (1, 1));
        assert!(both.unknown[0].contains("GPU is lost"));
        let hung = parse_nvidia(&row.replace(" 45,", " [GPU requires reset],")).expect("a card");
        assert!(hung.gpus[0].now[0].is_none() && hung.unknown[0].contains("requires reset"), "{hung:?}");
        for nothing in [
            "No devices were found\n",
            "",
            lost,
            "NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest NVIDIA driver is installed and running.\n",
        ] {
            assert!(parse_nvidia(nothing).is_err(), "{nothing}");
        }
        let asleep = CapturedMachine::new(&[("/sys/class/drm/card0/device/gpu_busy_percent", "\n")]);
        let gpus: Gpus = survey(&asleep.machine("2026-11-24T00:00:00Z")).expect("read").read();
        assert!(gpus.gpus.len() == 1 && gpus.unknown[0].contains("gpu_busy_percent"), "{gpus:?}");
    }
}
