//! What the collector does beside the engine, of which the engine is told whether it works.

/// What the collector does by itself, beside the engine. That it fails is a fault of the collector: a line in the log is seen by nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackgroundTask {
    /// History is compacted.
    Compaction,
    /// Remote write sends samples on.
    RemoteWrite,
    /// The certificates of the endpoints are renewed, and read again.
    Certificates,
    /// A changed configuration is taken.
    Configuration,
    /// Heads of the audit log are signed.
    SignedHeads,
    /// The collector itself is backed up.
    Backup,
    /// The newest backup is restored for a trial.
    RestoreDrill,
    /// Records that are past their time are deleted.
    Retention,
    /// Records are taken into the search index.
    SearchIndex,
    /// Signed heads are stamped by an authority outside.
    TimeStamps,
    /// Packages of machines are grouped into products.
    SoftwareRegister,
    /// Reports of devices are taken from a broker.
    Broker,
}
