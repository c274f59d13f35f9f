//! Machine checks of x86 processors: errors in caches, buses and memory that the hardware itself reports (Documentation/arch/x86/x86_64/machinecheck).
//!
//! The kernel counts them among the interrupts. A survey and no sampling probe: the table has a column for each processor.

use ioc_common::reading::{Findings, MachineChecks};

use crate::capture_rule::CapturedFiles;
use crate::descriptor::{Card, SurveyDescriptor};
use crate::survey_context::{SurveyContext, SurveyFindings, SurveyResult, absent, unknown};

pub(crate) const PROBE: SurveyDescriptor = SurveyDescriptor {
    probe: MachineChecks::PROBE,
    deadline_s: 10,
    watch: &[],
    privileged: false,
    needs: Some("an x86 processor that the kernel sees as it is"),
    whole_memo: None,
    programs: &[],
    captured: CapturedFiles::whole(&["/proc/interrupts"]),
    processes: &[],
    card: Card {
        article: "6.2",
        vi: "Lỗi phần cứng do bộ xử lý báo",
        en: "Machine checks of the processors",
        reads: "`/proc/interrupts`",
        cost: "0.1 ms; 2 ms with 128 processors",
    },
    read: survey,
};

const INTERRUPTS: &str = "/proc/interrupts";
/// A table of 500 processors and as many lines.
const INTERRUPTS_MAX_BYTES: usize = 8 << 20;

/// Makes the survey.
///
/// # Errors
/// *Absent* where the kernel counts none, as on other processors and in most virtual machines.
pub fn survey(context: &SurveyContext<'_>) -> SurveyResult {
    let table = match context.bytes(INTERRUPTS, INTERRUPTS_MAX_BYTES) {
        Ok(table) => table,
        Err(error) if error.is_absent() => return Err(absent(&format!("there is no {INTERRUPTS}"))),
        Err(error) => return Err(unknown(&error)),
    };
    let checks = parse(&String::from_utf8_lossy(&table));
    if checks == MachineChecks::default() {
        return Err(absent(&format!("{INTERRUPTS} has no line of machine checks: no x86 processor, or a virtual one")));
    }
    SurveyFindings::of(&checks, context.now)
}

/// Reads `/proc/interrupts`: each line is a name, a count for each processor, and words.
#[must_use]
pub fn parse(text: &str) -> MachineChecks {
    let line = |wanted: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once(':'));
        let (_, counts) = lines.find(|(name, _)| name.trim() == wanted)?;
        Some(counts.split_whitespace().map_while(|count| count.parse::<u64>().ok()).fold(0, u64::saturating_add))
    };
    MachineChecks { exceptions: line("MCE"), thresholds: line("THR"), deferred: line("DFR") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ProbeOutcome;
    use crate::survey_context::testing::CapturedMachine;

    const TABLE: &str = "           CPU0       CPU1       \n  1:          9          0   IO-APIC    1-edge      i8042\nTHR:          3          4   Threshold APIC interrupts\n\
        DFR:          0          0   Deferred Error APIC interrupts\nMCE:          1          0   Machine check exceptions\nMCP:        288        288   Machine check polls\nERR:          0\n";

    #[test]
    fn what_the_processors_report() {
        let captured = CapturedMachine::new(&[(INTERRUPTS, TABLE)]);
        let found = survey(&captured.machine("2026-11-24T00:00:00Z")).expect("read");
        assert_eq!(
            (
                found.number("cpu.machine_checks", ""),
                found.number("cpu.corrected_errors", ""),
                found.number("cpu.deferred_errors", "")
            ),
            (1.0, 7.0, 0.0)
        );
        for nothing in ["", "           CPU0\n  1:          9   GICv3\nIPI0:  7   Rescheduling interrupts\n"] {
            let captured = CapturedMachine::new(&[(INTERRUPTS, nothing)]);
            assert!(matches!(survey(&captured.machine("2026-11-24T00:00:00Z")), Err(ProbeOutcome::Absent { .. })));
        }
    }
}
