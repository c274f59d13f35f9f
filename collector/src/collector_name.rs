//! What a collector is called beside the others of its site: in the lease, on `/readyz`, and by the doctor.

use ioc_engine::config::PostgresPlan;

/// What a collector is called whose machine has no name.
const NAMELESS: &str = "collector";

/// What this collector is called beside the others of the site.
pub(crate) fn name_of(plan: &PostgresPlan) -> String {
    let machine = || {
        // A unit of systemd's may not see the first.
        let read = |path| std::fs::read_to_string(path).ok().map(|text: String| text.trim().to_owned());
        ["/proc/sys/kernel/hostname", "/etc/hostname"].into_iter().filter_map(read).find(|name| !name.is_empty())
    };
    plan.name.clone().or_else(machine).unwrap_or_else(|| NAMELESS.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_collector_is_called_as_its_configuration_says_or_after_its_machine() {
        let text = "[store]\nkind = \"postgres\"\naddresses = [\"/run/postgresql\"]\nschema = \"hanoi\"\n";
        let named = |more: &str| {
            let config = crate::config::tests::parse(&format!("{text}{more}")).expect("parses");
            name_of(config.store.postgres().expect("a database"))
        };
        assert_eq!(named("name = \"một\"\n"), "một");
        assert!(!named("").is_empty());
    }
}
