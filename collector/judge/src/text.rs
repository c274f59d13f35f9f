//! A text in both languages, and what of it names people.
//!
//! What is personal is marked where a text is made. `vi` and `en` are then what everyone may read (how many, and where to look), and
//! the words with the names stand beside them: whoever shows, sends or serializes a text without a thought gives out no name. Only
//! [`Text::open`] puts the names in, and only [`kept`] writes them down, for the store.

use ioc_common::language::Language;
use std::cell::Cell;

use serde::ser::SerializeStruct as _;
use serde::{Deserialize, Serialize, Serializer};

/// A text in Vietnamese and English. Vietnamese comes first everywhere.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(from = "Form")]
pub struct Text {
    /// In Vietnamese.
    pub vi: String,
    /// In English.
    pub en: String,
    /// The same with the names of people; none where there are none.
    personal: Option<Box<WithNames>>,
}

/// A text with the names of people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct WithNames {
    vi: String,
    en: String,
}

/// A text as it comes in.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Form {
    vi: String,
    en: String,
    #[serde(default)]
    personal: Option<Box<WithNames>>,
    /// It was kept by who marks what is personal.
    #[serde(default)]
    marked: bool,
}

impl From<Form> for Text {
    fn from(form: Form) -> Self {
        let Form { vi, en, personal, marked } = form;
        // What was kept before there were marks may name people where it lists what a document holds, or tells of an account.
        if !marked && personal.is_none() && may_name_people(&vi) {
            return Self::personal((vi, en), (OLD_VI, OLD_EN));
        }
        Self { vi, en, personal }
    }
}

/// What everyone reads where an old text may name people.
const OLD_VI: &str = "Có thay đổi liên quan tới tài khoản hoặc danh sách trên máy; xem ở trang sự cố.";
const OLD_EN: &str = "Something about accounts or a list on the machine; see the incident's page.";

/// Whether a text without marks is of those that could name people.
fn may_name_people(vi: &str) -> bool {
    let lists = ["Mới có: ", "Không còn: ", "Ngoài danh sách được duyệt: "];
    let of_accounts = || {
        let metrics = ioc_common::metric::CATALOGUE.iter().filter(|metric| metric.is_personal());
        metrics.filter_map(|metric| vi.strip_prefix(metric.vi)).any(|rest| rest.starts_with(" ("))
    };
    lists.iter().any(|list| vi.starts_with(list)) || of_accounts()
}

thread_local! {
    static WITH_NAMES: Cell<bool> = const { Cell::new(false) };
}

/// Serializes with the names of people: for what the store keeps, and for nothing that leaves it.
pub fn kept<T>(write: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            WITH_NAMES.set(self.0);
        }
    }
    let _restore = Restore(WITH_NAMES.replace(true));
    write()
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let kept = WITH_NAMES.get();
        let fields = if kept { 3 + usize::from(self.personal.is_some()) } else { 2 };
        let mut text = serializer.serialize_struct("Text", fields)?;
        text.serialize_field("vi", &self.vi)?;
        text.serialize_field("en", &self.en)?;
        if kept {
            if let Some(personal) = &self.personal {
                text.serialize_field("personal", personal)?;
            }
            text.serialize_field("marked", &true)?;
        }
        text.end()
    }
}

impl Text {
    /// A text from its two halves. It names nobody.
    #[must_use]
    pub fn new(vi: impl Into<String>, en: impl Into<String>) -> Self {
        Self { vi: vi.into(), en: en.into(), personal: None }
    }

    /// A text that names people, and what everyone may read of it; Vietnamese first.
    #[must_use]
    pub fn personal(
        (vi, en): (impl Into<String>, impl Into<String>),
        (shown_vi, shown_en): (impl Into<String>, impl Into<String>),
    ) -> Self {
        let with_names = WithNames { vi: vi.into(), en: en.into() };
        Self { vi: shown_vi.into(), en: shown_en.into(), personal: Some(Box::new(with_names)) }
    }

    /// The text in `language`.
    #[must_use]
    pub fn get(&self, language: Language) -> &str {
        language.choose(&self.vi, &self.en)
    }

    /// Whether it names people.
    #[must_use]
    pub const fn is_personal(&self) -> bool {
        self.personal.is_some()
    }

    /// The same without the names, for good: for what leaves the house.
    #[must_use]
    pub fn without_names(self) -> Self {
        Self { personal: None, ..self }
    }

    /// Adds a sentence.
    pub fn append(&mut self, more: &Self) {
        if self.personal.is_some() || more.personal.is_some() {
            let half = |of: &Self| {
                of.personal.as_deref().map_or((of.vi.clone(), of.en.clone()), |w| (w.vi.clone(), w.en.clone()))
            };
            let ((vi, en), (more_vi, more_en)) = (half(self), half(more));
            self.personal = Some(Box::new(WithNames { vi: format!("{vi} {more_vi}"), en: format!("{en} {more_en}") }));
        }
        self.vi = format!("{} {}", self.vi, more.vi);
        self.en = format!("{} {}", self.en, more.en);
    }

    /// Puts the names in: for who may see them, when it is on record that they do.
    pub fn open(&mut self) {
        if let Some(with_names) = self.personal.take() {
            (self.vi, self.en) = (with_names.vi, with_names.en);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(text: &Text) -> String {
        serde_json::to_string(text).expect("written")
    }

    #[test]
    fn names_leave_only_by_the_two_ways_that_say_so() {
        let text = Text::personal(("Mới có: lan.", "New: lan."), ("Mới có: 1 tên.", "New: 1 name."));
        assert!(!written(&text).contains("lan") && !text.get(Language::Vietnamese).contains("lan"));
        let kept_text = kept(|| written(&text));
        assert!(kept_text.contains("lan") && !written(&text).contains("lan"), "and only while it is written");
        let mut back: Text = serde_json::from_str(&kept_text).expect("read");
        assert_eq!(back, text);
        back.open();
        assert_eq!((back.get(Language::Vietnamese), back.is_personal()), ("Mới có: lan.", false));
    }

    #[test]
    fn what_was_kept_without_marks_names_nobody() {
        let old = r#"{"vi":"Mới có: lan.","en":"New: lan."}"#;
        let text: Text = serde_json::from_str(old).expect("read");
        assert!(text.is_personal() && !written(&text).contains("lan"));
        let age = r#"{"vi":"Số ngày từ lần đổi mật khẩu gần nhất (lan): 91 d.","en":"x lan"}"#;
        let text: Text = serde_json::from_str(age).expect("read");
        assert!(text.is_personal() && !written(&text).contains("lan"));
        let plain = Text::new("Mới có: SN-1.", "New: SN-1.");
        let kept_text = kept(|| written(&plain));
        assert_eq!(serde_json::from_str::<Text>(&kept_text).expect("read"), plain, "marks say that it is none");
    }
}
