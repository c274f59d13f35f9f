//! Comparing what someone shows with what is secret: links, marks of browsers, tokens of sources, attempts to sign in elsewhere.
//! Passwords and codes are kept as hashes, and compared by what made these.

use subtle::ConstantTimeEq as _;

/// Whether both are the same. It takes as long whatever they hold, so that nobody learns how much of a guess is right.
#[must_use]
pub fn is_same(ours: &str, theirs: &str) -> bool {
    ours.as_bytes().ct_eq(theirs.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::is_same;

    #[test]
    fn only_the_whole_of_it_is_the_same() {
        assert!(is_same("geheim", "geheim") && is_same("", ""));
        for wrong in ["", "gehein", "geheimX", "eheim"] {
            assert!(!is_same("geheim", wrong), "{wrong:?}");
        }
    }
}
