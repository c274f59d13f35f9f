//! A rule as a sentence: when it raises a fault.

use super::Rule;
use super::condition::RuleCondition;
use super::kind::RuleKind;
use super::number::NumberRule;
use super::words::span;
use crate::text::Text;

impl Rule {
    /// What it says, as a sentence: when it raises a fault.
    #[must_use]
    pub fn sentence(&self) -> Text {
        match &self.condition {
            RuleCondition::Number(number) => number_sentence(number),
            RuleCondition::Document(document) => {
                let (vi, en) = if self.kind == RuleKind::Approved {
                    ("có mục ngoài danh sách được duyệt", "holds something that is not on the approved list")
                } else {
                    (
                        "khác với lần đầu ghi nhận hoặc lần chấp nhận gần nhất",
                        "differs from what was first seen or last accepted",
                    )
                };
                let place = format!("{} {}", document.document, document.path);
                Text::new(format!("Khảo sát {place}: {vi}."), format!("The survey {place} {en}."))
            }
            RuleCondition::Silent => Text::new(
                "Thiết bị không báo cáo nữa, ngoài thời gian ngừng có báo trước.",
                "The device does not report any more, and has not said that it would be away.",
            ),
            RuleCondition::Budget => {
                Text::new("Thiết bị gửi nhiều hơn mức cho phép.", "The device sends more than it may.")
            }
        }
    }
}

fn number_sentence(rule: &NumberRule) -> Text {
    let says = rule.says();
    let hold = span(rule.hold_ms);
    let (vi, en) = if rule.hold_ms == 0 {
        (String::new(), String::new())
    } else {
        (format!(" trong {}", hold.vi), format!(" for {}", hold.en))
    };
    Text::new(format!("{}{vi}.", says.vi), format!("{}{en}.", says.en))
}

#[cfg(test)]
mod tests {
    use ioc_common::config::Source;
    use ioc_common::language::Language;

    use super::*;
    use crate::rule::RuleSet;

    #[test]
    fn every_shipped_rule_is_a_sentence_without_names_of_metrics() {
        let text = include_str!("../../../../config/rules.toml");
        let rules = RuleSet::parse(&Source::built_in("rules.toml", text)).unwrap_or_else(|error| panic!("{error}"));
        assert!(rules.rules().len() > 30);
        for rule in rules.rules() {
            for language in Language::ALL {
                let sentence = rule.sentence();
                let sentence = sentence.get(language);
                assert!(sentence.ends_with('.') && sentence.len() > 8, "{}: {sentence}", rule.id);
                if let RuleCondition::Number(number) = &rule.condition {
                    assert!(!sentence.contains(number.metric.name), "{}: {sentence}", rule.id);
                }
                assert!(!sentence.contains("86400") && !sentence.contains(" s "), "{}: {sentence}", rule.id);
            }
        }
    }
}
