-- The embedded store. Times are milliseconds since 1970-01-01T00:00:00Z. Never change a version that was released: add the
-- next one in migration.rs.
-- Which store this is, how many commits it holds unless watermark_log says more, and what was found to be lost and is not confirmed yet, JSON
-- (commit_mark.rs). One row.
CREATE TABLE state (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    id TEXT NOT NULL,
    commits INTEGER NOT NULL,
    lost TEXT NOT NULL
);
-- The token of the history that rows were deleted for, and up to which row a history was found to go (fold_mark.rs). One row.
CREATE TABLE fold_mark (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    token TEXT NOT NULL,
    rows INTEGER NOT NULL
);
INSERT INTO fold_mark (one, token, rows) VALUES (1, '', 0);
CREATE TABLE device (
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    info TEXT NOT NULL,
    -- What a search looks through, lower case.
    search TEXT NOT NULL,
    kind TEXT NOT NULL,
    place TEXT NOT NULL,
    -- What they are sorted by (collation.rs).
    name_key BLOB NOT NULL,
    place_key BLOB NOT NULL,
    -- It is a server, a workstation or a display controller of its own.
    computer INTEGER NOT NULL,
    enrolled_at INTEGER NOT NULL,
    revoked_at INTEGER,
    -- Until when its reports came through a broker; the last moment that there is while they do.
    broker_until INTEGER
);
-- In the order in which lists have them.
CREATE UNIQUE INDEX device_by_name ON device (name_key, id);
-- What is newest of each device, as of some commit: watermark_log has what came later (newest.rs). Never asked by queries: readers have it in
-- memory.
CREATE TABLE live (
    device INTEGER PRIMARY KEY REFERENCES device (number),
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    last_heard INTEGER,
    last_sample INTEGER,
    clock_error_ms INTEGER,
    -- Its newest row of history; 0 before there is one.
    row INTEGER NOT NULL,
    -- The row of history that holds its newest numbers, and these.
    latest_row INTEGER,
    layout INTEGER,
    latest BLOB
);
-- One row for each commit, by its number: of which devices it changed what is newest, and to what.
CREATE TABLE watermark_log (
    number INTEGER PRIMARY KEY,
    data BLOB NOT NULL
);
CREATE TABLE presence (
    device INTEGER PRIMARY KEY REFERENCES device (number),
    state TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE TABLE hello (
    device INTEGER PRIMARY KEY REFERENCES device (number),
    at INTEGER NOT NULL,
    boot_id TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    interval_s INTEGER NOT NULL,
    keep_alive_s INTEGER NOT NULL,
    -- It is of a device that speaks without an agent, or of one that an agent speaks for.
    sensor INTEGER NOT NULL,
    layout INTEGER,
    body TEXT NOT NULL
);
-- What surveys found; the newest of each name.
CREATE TABLE document (
    device INTEGER NOT NULL,
    name TEXT NOT NULL,
    at INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (device, name)
) WITHOUT ROWID;
CREATE INDEX document_by_name ON document (name, device);
-- The history of documents and of the software list: a row for each change, which leads back from the version after it to the one before
-- (document_change.rs).
CREATE TABLE document_change (
    device INTEGER NOT NULL,
    name TEXT NOT NULL,
    -- From 1, in the order in which they came.
    number INTEGER NOT NULL,
    -- When the version after it was made.
    at INTEGER NOT NULL,
    -- How many changes have come since the last that has the version before it whole; 0 where this one has.
    depth INTEGER NOT NULL,
    data BLOB NOT NULL,
    PRIMARY KEY (device, name, number)
);
CREATE INDEX document_change_by_time ON document_change (device, at);
-- What is known of a device's losses: how many reports in all, and what the judge needs to find more.
CREATE TABLE losses (
    device INTEGER PRIMARY KEY REFERENCES device (number),
    total INTEGER NOT NULL,
    -- When it last lost any, to the hour; none when that is long ago.
    last_at INTEGER,
    body TEXT NOT NULL
);
-- What documents hold for rules that look into them, and what of it was accepted.
CREATE TABLE comparison (
    device INTEGER NOT NULL,
    rule TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (device, rule)
) WITHOUT ROWID;
-- The list a device's software belongs to. `whole` once every part has come.
CREATE TABLE software_list (
    device INTEGER PRIMARY KEY,
    list TEXT NOT NULL,
    at INTEGER NOT NULL,
    whole INTEGER NOT NULL,
    -- When the last whole list was made, which its history goes back from; none before there was one.
    known INTEGER
);
CREATE TABLE software (
    device INTEGER NOT NULL,
    key TEXT NOT NULL,
    -- The whole list that last named it; what an older one named is deleted when a new one is whole.
    list TEXT NOT NULL,
    item TEXT NOT NULL,
    -- While the parts of a new list come: what stood here in the last whole one; empty where nothing did, none where nothing has come.
    before TEXT,
    PRIMARY KEY (device, key)
) WITHOUT ROWID;
CREATE TABLE layout (
    id INTEGER PRIMARY KEY,
    series TEXT NOT NULL
);
-- One row per report, in the order of arrival: appending touches one page, whatever the number of devices. A device's rows are
-- a chain from its newest (live.row, watermark_log) backwards, which costs nothing to append to; an index by device would touch a page each time.
CREATE TABLE sample (
    number INTEGER PRIMARY KEY,
    device INTEGER NOT NULL,
    previous INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at INTEGER NOT NULL,
    received INTEGER NOT NULL,
    layout INTEGER NOT NULL,
    data BLOB NOT NULL
);
CREATE TABLE event (
    -- Never given twice: the search index takes in what is behind the last one.
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    device INTEGER NOT NULL,
    at INTEGER NOT NULL,
    name TEXT NOT NULL,
    text TEXT NOT NULL,
    fields TEXT NOT NULL
);
CREATE INDEX event_by_device ON event (device, at);
CREATE TABLE fault (
    id INTEGER PRIMARY KEY,
    device INTEGER NOT NULL,
    state TEXT NOT NULL,
    -- It has not ended: raised, flapping or unknown.
    open INTEGER NOT NULL,
    severity INTEGER NOT NULL,
    incident INTEGER,
    raised_at INTEGER NOT NULL,
    -- When it ended; none while it is open.
    ended_at INTEGER,
    -- The rule, or what another system calls it, as in its body.
    rule TEXT NOT NULL,
    body TEXT NOT NULL
);
-- How often each rule raised within a time is answered from this alone, but for their incidents.
CREATE INDEX fault_raised ON fault (raised_at, rule);
CREATE INDEX fault_ended ON fault (ended_at) WHERE ended_at IS NOT NULL;
CREATE INDEX fault_by_incident ON fault (incident, id) WHERE incident IS NOT NULL;
CREATE INDEX fault_open ON fault (device, severity) WHERE open;
CREATE INDEX fault_by_device ON fault (device, id);
CREATE TABLE incident (
    id INTEGER PRIMARY KEY,
    -- None when it is about the centre as a whole.
    device INTEGER,
    active INTEGER NOT NULL,
    resolved_at INTEGER,
    opened_at INTEGER NOT NULL,
    -- When it was closed; none while it is not.
    closed_at INTEGER,
    -- The incident that it was joined to, as in its body.
    merged_into INTEGER,
    -- A deadline of the law or a unit's answer is not met yet.
    waits INTEGER NOT NULL,
    -- It is or was serious, or a unit was asked something.
    deadlines INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX incident_waits ON incident (id) WHERE waits;
CREATE INDEX incident_deadlines ON incident (id) WHERE deadlines;
CREATE INDEX incident_merged ON incident (merged_into) WHERE merged_into IS NOT NULL;
CREATE INDEX incident_opened ON incident (opened_at);
CREATE INDEX incident_closed ON incident (closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX incident_active ON incident (id) WHERE active;
CREATE INDEX incident_by_device ON incident (device, id);
-- Which devices an incident was ever about, by itself or by a fault of theirs, and what it was joined to: its notices are known by that when the
-- incident and its faults are gone. A legal hold asks (hold.rs).
CREATE TABLE incident_device (
    incident INTEGER NOT NULL,
    device INTEGER NOT NULL,
    PRIMARY KEY (incident, device)
) WITHOUT ROWID;
CREATE TABLE incident_joined (
    incident INTEGER PRIMARY KEY,
    joined_to INTEGER NOT NULL
);
CREATE INDEX incident_joined_to ON incident_joined (joined_to);
CREATE TABLE step (
    incident INTEGER NOT NULL,
    number INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (incident, number)
) WITHOUT ROWID;
CREATE TABLE outbox (
    -- Never given twice: the search index takes in what is behind the last one.
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,
    incident INTEGER NOT NULL,
    channel TEXT NOT NULL,
    -- For whom, and where on the channel; empty when it is for everyone on it.
    person TEXT NOT NULL,
    address TEXT NOT NULL,
    language TEXT NOT NULL,
    notice TEXT NOT NULL,
    -- 1 to 3 as in fault, what is worse is more; and the step of the incident, in whose order they go.
    severity INTEGER NOT NULL,
    step INTEGER NOT NULL,
    created_at INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    -- Attempts that were handed over and never answered.
    unanswered INTEGER NOT NULL,
    next_attempt_at INTEGER NOT NULL,
    state TEXT NOT NULL,
    last_error TEXT,
    delivered_at INTEGER
);
CREATE INDEX outbox_waiting ON outbox (channel) WHERE state = 'waiting';
CREATE INDEX outbox_by_age ON outbox (created_at);
CREATE INDEX outbox_by_incident ON outbox (incident);
CREATE INDEX outbox_dead ON outbox (created_at) WHERE state = 'dead';
-- What ticket systems know of incidents. `due` while a step is not carried, `open` until the incident is closed.
CREATE TABLE ticket (
    system TEXT NOT NULL,
    incident INTEGER NOT NULL,
    ticket TEXT NOT NULL,
    step INTEGER NOT NULL,
    pushed TEXT NOT NULL,
    seen TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    next_at INTEGER NOT NULL,
    error TEXT,
    due INTEGER NOT NULL,
    open INTEGER NOT NULL,
    PRIMARY KEY (system, incident)
) WITHOUT ROWID;
CREATE INDEX ticket_due ON ticket (system, next_at) WHERE due;
CREATE INDEX ticket_open ON ticket (system, incident) WHERE open;
CREATE INDEX ticket_by_incident ON ticket (incident);
-- Files that belong to incidents, by what they hold.
CREATE TABLE attachment (
    incident INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (incident, sha256)
);
-- Maintenance windows, and people who stand in on a rota. What is gone stays on record.
CREATE TABLE window (
    id INTEGER PRIMARY KEY,
    gone INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE TABLE cover (
    id INTEGER PRIMARY KEY,
    gone INTEGER NOT NULL,
    body TEXT NOT NULL
);
-- Floor plans: where devices stand on the picture of a room, and that picture.
CREATE TABLE floor_plan (room TEXT PRIMARY KEY, body TEXT NOT NULL);
CREATE TABLE floor_picture (room TEXT PRIMARY KEY, content BLOB NOT NULL);
-- The duty book (sổ trực).
CREATE TABLE handover (
    number INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    rota TEXT NOT NULL,
    who TEXT NOT NULL,
    text TEXT NOT NULL,
    -- The rota's key, where the entry hands over or takes over a shift, and that shift with what happened on it: JSON.
    shift TEXT,
    body TEXT
);
CREATE INDEX handover_shift ON handover (number) WHERE shift IS NOT NULL;
CREATE TRIGGER handover_no_update BEFORE UPDATE ON handover BEGIN SELECT RAISE(ABORT, 'the duty book is append-only'); END;
CREATE TRIGGER handover_no_delete BEFORE DELETE ON handover BEGIN SELECT RAISE(ABORT, 'the duty book is append-only'); END;
CREATE TRIGGER handover_in_order BEFORE INSERT ON handover WHEN EXISTS (SELECT 1 FROM handover WHERE number = NEW.number)
    BEGIN SELECT RAISE(ABORT, 'the duty book is append-only'); END;
-- Calendars of the duty plan that people have subscribed to: whose, and by which token's digest.
CREATE TABLE duty_feed (
    digest TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    subject TEXT NOT NULL,
    language TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    ended_at INTEGER
);
CREATE INDEX duty_feed_by_account ON duty_feed (account);
-- Turns that people on duty ask each other to take, and what became of it.
CREATE TABLE requested_turn (
    number INTEGER PRIMARY KEY,
    body TEXT NOT NULL
);
-- Ways to reach people on duty, and whether a code that was sent by them came back.
CREATE TABLE contact_check (
    person TEXT NOT NULL,
    channel TEXT NOT NULL,
    address TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (person, channel, address)
) WITHOUT ROWID;
CREATE TABLE token (
    digest TEXT PRIMARY KEY,
    body TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    uses INTEGER NOT NULL,
    used_at INTEGER,
    ended_at INTEGER
);
CREATE INDEX token_by_age ON token (created_at);
-- Machines that ask to come in, until they have.
CREATE TABLE request (
    id TEXT PRIMARY KEY,
    at INTEGER NOT NULL,
    seen_at INTEGER NOT NULL,
    waiting INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE TABLE certificate (
    serial TEXT PRIMARY KEY,
    device INTEGER NOT NULL,
    at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    -- The device was enrolled anew since.
    ended_at INTEGER
);
CREATE INDEX certificate_by_device ON certificate (device, at);
CREATE TABLE account (
    name TEXT PRIMARY KEY,
    full_name TEXT NOT NULL,
    role TEXT NOT NULL,
    -- Where it may look and act, JSON; empty for everywhere.
    places TEXT NOT NULL,
    password TEXT NOT NULL,
    -- Hashes of earlier passwords, JSON.
    earlier TEXT NOT NULL,
    password_at INTEGER NOT NULL,
    must_change INTEGER NOT NULL,
    disabled INTEGER NOT NULL,
    failures INTEGER NOT NULL,
    locked_until INTEGER,
    -- The second factor, JSON.
    second_factor TEXT NOT NULL,
    -- None before somebody signed in with it.
    last_sign_in_at INTEGER
);
-- Lists of devices as people keep them for themselves: the query of the page's address.
CREATE TABLE view (
    account TEXT NOT NULL,
    name TEXT NOT NULL,
    query TEXT NOT NULL,
    PRIMARY KEY (account, name)
) WITHOUT ROWID;
-- Dashboards that people put together, JSON.
CREATE TABLE dashboard (
    number INTEGER PRIMARY KEY,
    owner TEXT NOT NULL,
    body TEXT NOT NULL
);
-- Sessions, and tokens of the API, which have a label.
CREATE TABLE session (
    digest TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    label TEXT NOT NULL,
    role TEXT,
    -- Signed in at the organisation's identity provider.
    federated INTEGER NOT NULL,
    peer TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    confirmed_at INTEGER NOT NULL,
    -- What was shown then included a second factor.
    second_factor INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
);
CREATE INDEX session_by_account ON session (account);
-- What is believed of the time, JSON, and the steps of the clock that were followed: rows of `sample` below `row` were received before.
CREATE TABLE clock (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    body TEXT NOT NULL
);
CREATE TABLE clock_step (
    number INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    by_ms INTEGER NOT NULL,
    row INTEGER NOT NULL
);
-- Jobs on other systems that report their success, by their names in the configuration.
CREATE TABLE job (
    name TEXT PRIMARY KEY,
    -- Since when it is watched.
    since INTEGER NOT NULL,
    last_success INTEGER,
    -- Its last report, and whether it said that it failed.
    reported_at INTEGER,
    failed INTEGER,
    message TEXT
) WITHOUT ROWID;
-- Which backups are expected of a device, what was seen of each last, and how the engine judges that; JSON, and what lists are asked for by.
CREATE TABLE expected_backup (
    device INTEGER NOT NULL REFERENCES device (number),
    kind TEXT NOT NULL,
    state TEXT NOT NULL,
    -- It lacks something of three copies, two media, one elsewhere.
    short INTEGER NOT NULL,
    expected TEXT NOT NULL,
    seen TEXT NOT NULL,
    PRIMARY KEY (device, kind)
) WITHOUT ROWID;
-- What people said of backups that nothing can look at.
CREATE TABLE backup_attestation (
    number INTEGER PRIMARY KEY,
    device INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX backup_attestation_of ON backup_attestation (device, kind, number);
CREATE TRIGGER backup_attestation_no_update BEFORE UPDATE ON backup_attestation BEGIN SELECT RAISE(ABORT, 'what was attested stays as it was said'); END;
CREATE TRIGGER backup_attestation_no_delete BEFORE DELETE ON backup_attestation BEGIN SELECT RAISE(ABORT, 'what was attested stays on record'); END;
CREATE TRIGGER backup_attestation_in_order BEFORE INSERT ON backup_attestation WHEN EXISTS (SELECT 1 FROM backup_attestation WHERE number = NEW.number)
    BEGIN SELECT RAISE(ABORT, 'what was attested stays on record'); END;
-- Files that show it, by what they hold; kept as long as what was said: for good.
CREATE TABLE backup_evidence (
    attestation INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    file TEXT NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (attestation, sha256)
);
CREATE TRIGGER backup_evidence_no_update BEFORE UPDATE ON backup_evidence BEGIN SELECT RAISE(ABORT, 'what shows an attestation stays as it is'); END;
CREATE TRIGGER backup_evidence_no_delete BEFORE DELETE ON backup_evidence BEGIN SELECT RAISE(ABORT, 'what shows an attestation stays on record'); END;
-- A file that is there already is let be.
CREATE TRIGGER backup_evidence_once BEFORE INSERT ON backup_evidence WHEN EXISTS (SELECT 1 FROM backup_evidence WHERE attestation = NEW.attestation AND sha256 = NEW.sha256)
    BEGIN SELECT RAISE(IGNORE); END;
-- The asset register: a row for each device, with what lists are asked for by.
CREATE TABLE asset (
    device INTEGER PRIMARY KEY REFERENCES device (number),
    state TEXT NOT NULL,
    labelled INTEGER NOT NULL,
    -- Something that must be written down is not.
    blank INTEGER NOT NULL,
    -- The agent says something else than what is written down.
    contradicted INTEGER NOT NULL,
    -- What a search looks through, lower case; nothing that names people.
    search TEXT NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX asset_retired ON asset (device) WHERE state = 'retired';
-- What people said of the protection of machines without an agent.
CREATE TABLE asset_attestation (
    number INTEGER PRIMARY KEY,
    device INTEGER NOT NULL,
    area TEXT NOT NULL,
    good INTEGER NOT NULL,
    valid_until INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX asset_attestation_of ON asset_attestation (device, area, number);
-- Inventory takings, and what was ticked in each of each device: the newest word.
CREATE TABLE inventory_count (
    number INTEGER PRIMARY KEY,
    open INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE TABLE inventory_tick (
    count INTEGER NOT NULL REFERENCES inventory_count (number),
    device INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (count, device)
) WITHOUT ROWID;
CREATE INDEX inventory_tick_device ON inventory_tick (device);
-- What was found and is not in the register, and what became of it.
CREATE TABLE inventory_find (
    count INTEGER NOT NULL REFERENCES inventory_count (number),
    number INTEGER NOT NULL,
    open INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (count, number)
) WITHOUT ROWID;
CREATE INDEX inventory_find_open ON inventory_find (count) WHERE open;
-- What was counted and closed stays as it is.
CREATE TRIGGER inventory_count_closed_once BEFORE UPDATE ON inventory_count WHEN NOT OLD.open OR NEW.number <> OLD.number
    BEGIN SELECT RAISE(ABORT, 'an inventory taking is closed once'); END;
CREATE TRIGGER inventory_count_no_delete BEFORE DELETE ON inventory_count BEGIN SELECT RAISE(ABORT, 'inventory takings stay on record'); END;
CREATE TRIGGER inventory_count_in_order BEFORE INSERT ON inventory_count WHEN EXISTS (SELECT 1 FROM inventory_count WHERE number = NEW.number AND NOT open)
    BEGIN SELECT RAISE(ABORT, 'inventory takings stay on record'); END;
CREATE TRIGGER inventory_tick_no_change BEFORE UPDATE ON inventory_tick WHEN NEW.count <> OLD.count OR NEW.device <> OLD.device
    OR EXISTS (SELECT 1 FROM inventory_count WHERE number = OLD.count AND NOT open)
    BEGIN SELECT RAISE(ABORT, 'an inventory taking is closed once'); END;
CREATE TRIGGER inventory_tick_in_order BEFORE INSERT ON inventory_tick WHEN EXISTS (SELECT 1 FROM inventory_count WHERE number = NEW.count AND NOT open)
    BEGIN SELECT RAISE(ABORT, 'an inventory taking is closed once'); END;
CREATE TRIGGER inventory_tick_no_delete BEFORE DELETE ON inventory_tick BEGIN SELECT RAISE(ABORT, 'inventory takings stay on record'); END;
-- What became of a thing that was found is said once, also when its taking is closed.
CREATE TRIGGER inventory_find_settled_once BEFORE UPDATE ON inventory_find WHEN NOT OLD.open OR NEW.count <> OLD.count OR NEW.number <> OLD.number
    BEGIN SELECT RAISE(ABORT, 'what was found in an inventory taking is settled once'); END;
CREATE TRIGGER inventory_find_in_order BEFORE INSERT ON inventory_find WHEN EXISTS (SELECT 1 FROM inventory_count WHERE number = NEW.count AND NOT open)
    AND NOT EXISTS (SELECT 1 FROM inventory_find WHERE count = NEW.count AND number = NEW.number AND open)
    BEGIN SELECT RAISE(ABORT, 'an inventory taking is closed once'); END;
CREATE TRIGGER inventory_find_no_delete BEFORE DELETE ON inventory_find BEGIN SELECT RAISE(ABORT, 'inventory takings stay on record'); END;
-- Until when it holds may come earlier, as when its machine is taken out; what was said stays.
CREATE TRIGGER asset_attestation_no_update BEFORE UPDATE ON asset_attestation WHEN NEW.number <> OLD.number OR NEW.device <> OLD.device OR NEW.area <> OLD.area OR NEW.good <> OLD.good
    OR NEW.body <> OLD.body OR NEW.valid_until > OLD.valid_until BEGIN SELECT RAISE(ABORT, 'what was attested stays as it was said'); END;
-- Files that show it; kept as long as what was attested: for good.
CREATE TABLE asset_evidence (
    attestation INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    file TEXT NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (attestation, sha256)
) WITHOUT ROWID;
CREATE TRIGGER asset_evidence_no_update BEFORE UPDATE ON asset_evidence BEGIN SELECT RAISE(ABORT, 'what shows an attestation stays as it is'); END;
CREATE TRIGGER asset_evidence_no_delete BEFORE DELETE ON asset_evidence BEGIN SELECT RAISE(ABORT, 'what shows an attestation stays on record'); END;
-- A file that is there already is let be.
CREATE TRIGGER asset_evidence_once BEFORE INSERT ON asset_evidence WHEN EXISTS (SELECT 1 FROM asset_evidence WHERE attestation = NEW.attestation AND sha256 = NEW.sha256)
    BEGIN SELECT RAISE(IGNORE); END;
CREATE TRIGGER asset_attestation_no_delete BEFORE DELETE ON asset_attestation BEGIN SELECT RAISE(ABORT, 'what was attested stays on record'); END;
CREATE TRIGGER asset_attestation_in_order BEFORE INSERT ON asset_attestation WHEN EXISTS (SELECT 1 FROM asset_attestation WHERE number = NEW.number)
    BEGIN SELECT RAISE(ABORT, 'what was attested stays on record'); END;
-- Tables that were taken into registers, and what each changed, JSON.
CREATE TABLE table_import (
    number INTEGER PRIMARY KEY,
    -- assets or accounts.
    register TEXT NOT NULL,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    undone_at INTEGER,
    undone_by TEXT,
    count INTEGER NOT NULL,
    -- Of how many rows it is still to be done, or put back once it is undone.
    left_over INTEGER NOT NULL,
    body TEXT NOT NULL
);
-- The software register: products, with what lists are asked for by.
CREATE TABLE product (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    name_key BLOB NOT NULL,
    owner TEXT NOT NULL,
    state TEXT NOT NULL,
    -- Something that must be known of it is not.
    blank INTEGER NOT NULL,
    search TEXT NOT NULL,
    body TEXT NOT NULL
);
-- On which machines products are and were. `mark` is the list and the catalogue that named it last.
CREATE TABLE software_use (
    product INTEGER NOT NULL REFERENCES product (number),
    device INTEGER NOT NULL,
    mark TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    gone_at INTEGER,
    -- A line each.
    versions TEXT NOT NULL,
    packages INTEGER NOT NULL,
    place TEXT NOT NULL,
    PRIMARY KEY (product, device)
) WITHOUT ROWID;
CREATE INDEX software_use_of ON software_use (device);
-- On how many machines products are, by where these stand and in which versions; when they were seen there first and last. Made of the table above by
-- the commits that change it.
CREATE TABLE software_tally (
    product INTEGER NOT NULL REFERENCES product (number),
    place TEXT NOT NULL,
    versions TEXT NOT NULL,
    devices INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    PRIMARY KEY (product, place, versions)
) WITHOUT ROWID;
-- By which list and catalogue a machine's packages were grouped last.
CREATE TABLE software_grouped (
    device INTEGER PRIMARY KEY,
    mark TEXT NOT NULL
);
-- What people said of accounts that are found by themselves, JSON; 0 stands for this collector.
CREATE TABLE account_word (
    device INTEGER NOT NULL,
    name TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (device, name)
) WITHOUT ROWID;
-- What people vouched for of accounts of appliances that nothing can look at, JSON; the newest of each counts.
CREATE TABLE account_attestation (
    number INTEGER PRIMARY KEY,
    device INTEGER NOT NULL,
    name TEXT NOT NULL,
    valid_until INTEGER NOT NULL,
    body TEXT NOT NULL
);
CREATE INDEX account_attestation_of ON account_attestation (device, name, number);
-- Until when it holds may come earlier, as when its machine is taken out; what was said stays.
CREATE TRIGGER account_attestation_no_update BEFORE UPDATE ON account_attestation WHEN NEW.number <> OLD.number OR NEW.device <> OLD.device OR NEW.name <> OLD.name
    OR NEW.body <> OLD.body OR NEW.valid_until > OLD.valid_until BEGIN SELECT RAISE(ABORT, 'what was attested stays as it was said'); END;
CREATE TRIGGER account_attestation_no_delete BEFORE DELETE ON account_attestation BEGIN SELECT RAISE(ABORT, 'what was attested stays on record'); END;
CREATE TRIGGER account_attestation_in_order BEFORE INSERT ON account_attestation WHEN EXISTS (SELECT 1 FROM account_attestation WHERE number = NEW.number)
    BEGIN SELECT RAISE(ABORT, 'what was attested stays on record'); END;
-- Files that show it; kept as long as what was vouched for: for good.
CREATE TABLE account_evidence (
    attestation INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    file TEXT NOT NULL,
    content BLOB NOT NULL,
    PRIMARY KEY (attestation, sha256)
) WITHOUT ROWID;
CREATE TRIGGER account_evidence_no_update BEFORE UPDATE ON account_evidence BEGIN SELECT RAISE(ABORT, 'what shows an attestation stays as it is'); END;
CREATE TRIGGER account_evidence_no_delete BEFORE DELETE ON account_evidence BEGIN SELECT RAISE(ABORT, 'what shows an attestation stays on record'); END;
-- A file that is there already is let be.
CREATE TRIGGER account_evidence_once BEFORE INSERT ON account_evidence WHEN EXISTS (SELECT 1 FROM account_evidence WHERE attestation = NEW.attestation AND sha256 = NEW.sha256)
    BEGIN SELECT RAISE(IGNORE); END;
-- The register of accounts as it is listed: a row for each that an agent found, and for each of an appliance that a person vouches for last. Made of
-- documents, attestations and words by the commits that take them.
CREATE TABLE registered_account (
    device INTEGER NOT NULL REFERENCES device (number),
    name TEXT NOT NULL,
    -- A person vouches for it; an agent found it otherwise.
    attested INTEGER NOT NULL,
    administrator INTEGER NOT NULL,
    role TEXT NOT NULL,
    holder TEXT NOT NULL,
    -- What a search looks through, lower case: name and role; who holds it.
    search TEXT NOT NULL,
    holder_search TEXT NOT NULL,
    -- None where that is not known.
    locked INTEGER,
    empty_password INTEGER NOT NULL,
    signed_in INTEGER NOT NULL,
    last_sign_in_at INTEGER,
    password_at INTEGER,
    expires_at INTEGER,
    valid_until INTEGER,
    PRIMARY KEY (device, name)
) WITHOUT ROWID;
CREATE INDEX registered_account_holder ON registered_account (holder) WHERE holder <> '';
-- Hosts whose survey of accounts cannot be read.
CREATE TABLE unread_accounts (
    device INTEGER PRIMARY KEY
);
-- Reviews of all accounts. Once a leader has signed one it is never changed.
CREATE TABLE account_review (
    number INTEGER PRIMARY KEY,
    opened_at INTEGER NOT NULL,
    opened_by TEXT NOT NULL,
    count INTEGER NOT NULL,
    -- What is said of how many of them, JSON, kept as it is written into.
    tally TEXT NOT NULL DEFAULT '{}',
    signed_at INTEGER,
    signed_by TEXT,
    -- Over its lines, and the number of its document among the issued reports.
    sha256 TEXT,
    issued INTEGER
);
-- Its accounts as they stood, and what is said of each, JSON.
CREATE TABLE account_review_line (
    review INTEGER NOT NULL,
    line INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (review, line)
) WITHOUT ROWID;
CREATE TRIGGER account_review_signed_once BEFORE UPDATE ON account_review WHEN OLD.signed_at IS NOT NULL
    BEGIN SELECT RAISE(ABORT, 'a review of accounts is signed once, and not changed from then on'); END;
CREATE TRIGGER account_review_no_delete BEFORE DELETE ON account_review BEGIN SELECT RAISE(ABORT, 'reviews of accounts stay on record'); END;
CREATE TRIGGER account_review_in_order BEFORE INSERT ON account_review WHEN EXISTS (SELECT 1 FROM account_review WHERE number = NEW.number)
    BEGIN SELECT RAISE(ABORT, 'reviews of accounts stay on record'); END;
CREATE TRIGGER account_review_line_no_change BEFORE UPDATE ON account_review_line
    WHEN (SELECT signed_at FROM account_review WHERE number = OLD.review) IS NOT NULL
    BEGIN SELECT RAISE(ABORT, 'a review of accounts that is signed is not changed'); END;
-- Its lines come before the signature.
CREATE TRIGGER account_review_line_in_order BEFORE INSERT ON account_review_line
    WHEN (SELECT signed_at FROM account_review WHERE number = NEW.review) IS NOT NULL
    BEGIN SELECT RAISE(ABORT, 'a review of accounts that is signed is not changed'); END;
CREATE TRIGGER account_review_line_no_delete BEFORE DELETE ON account_review_line BEGIN SELECT RAISE(ABORT, 'reviews of accounts stay on record'); END;
CREATE TABLE audit (
    number INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT NOT NULL,
    detail TEXT NOT NULL,
    hash TEXT NOT NULL
);
-- How often what was done in a period, and when; a quarter's report asks.
CREATE INDEX audit_by_time ON audit (at, action);
-- The log is append-only, for this program, too.
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
-- One after the other, and none in the place of another: INSERT OR REPLACE deletes without asking the trigger above.
CREATE TRIGGER audit_in_order BEFORE INSERT ON audit WHEN NEW.number IS NOT (SELECT coalesce(max(number), 0) + 1 FROM audit)
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only: a record follows the last one'); END;
-- Records that declare that a copy was put in the store's place, or that it was begun anew.
CREATE INDEX audit_restored ON audit (number) WHERE action IN ('store.restored', 'store.made_anew');
-- Legal holds. None is changed but by its end, and that once.
CREATE TABLE hold (
    number INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    -- What of that kind: a device, a person, a class; empty for a period.
    subject TEXT NOT NULL,
    -- The number of the device, or of the incident, that it is on.
    device INTEGER,
    incident INTEGER,
    from_at INTEGER,
    until_at INTEGER,
    reason TEXT NOT NULL,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    ended_at INTEGER,
    ended_by TEXT,
    end_reason TEXT
);
CREATE INDEX hold_in_force ON hold (number) WHERE ended_at IS NULL;
CREATE TRIGGER hold_ends_once BEFORE UPDATE ON hold WHEN OLD.ended_at IS NOT NULL OR NEW.number <> OLD.number OR NEW.kind <> OLD.kind
    OR NEW.subject <> OLD.subject OR NEW.device IS NOT OLD.device OR NEW.incident IS NOT OLD.incident OR NEW.from_at IS NOT OLD.from_at
    OR NEW.until_at IS NOT OLD.until_at OR NEW.reason <> OLD.reason OR NEW.at <> OLD.at OR NEW.who <> OLD.who
    BEGIN SELECT RAISE(ABORT, 'a legal hold is ended once, and not changed otherwise'); END;
CREATE TRIGGER hold_no_delete BEFORE DELETE ON hold BEGIN SELECT RAISE(ABORT, 'legal holds stay on record'); END;
-- What takes a row's place (INSERT OR REPLACE) is told of to no trigger of deletion: it is refused by its number.
CREATE TRIGGER hold_in_order BEFORE INSERT ON hold WHEN EXISTS (SELECT 1 FROM hold WHERE number = NEW.number)
    BEGIN SELECT RAISE(ABORT, 'legal holds stay on record'); END;
-- What is left of records that were deleted. `source` identifies what came from history.db, so that it is kept once.
CREATE TABLE deletion (
    number INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    class TEXT NOT NULL,
    first INTEGER NOT NULL,
    last INTEGER NOT NULL,
    count INTEGER NOT NULL,
    digest TEXT NOT NULL,
    rule TEXT NOT NULL,
    exported TEXT NOT NULL,
    source TEXT UNIQUE
);
CREATE INDEX deletion_by_class ON deletion (class, number);
CREATE TRIGGER deletion_no_update BEFORE UPDATE ON deletion BEGIN SELECT RAISE(ABORT, 'evidence of deletions is append-only'); END;
CREATE TRIGGER deletion_no_delete BEFORE DELETE ON deletion BEGIN SELECT RAISE(ABORT, 'evidence of deletions is append-only'); END;
CREATE TRIGGER deletion_in_order BEFORE INSERT ON deletion WHEN EXISTS (SELECT 1 FROM deletion WHERE number = NEW.number)
    BEGIN SELECT RAISE(ABORT, 'evidence of deletions is append-only'); END;
-- Evidence of a source that is there already is let be.
CREATE TRIGGER deletion_once_in_order BEFORE INSERT ON deletion WHEN NEW.source IS NOT NULL AND EXISTS (SELECT 1 FROM deletion WHERE source = NEW.source)
    BEGIN SELECT RAISE(IGNORE); END;
-- How long each class is kept, as it was last told, and who said so.
CREATE TABLE retention_rule (
    class TEXT PRIMARY KEY,
    text TEXT NOT NULL,
    -- How long, milliseconds; none for good. Whether what goes is exported first.
    keep_ms INTEGER,
    exports INTEGER NOT NULL,
    who TEXT NOT NULL,
    reason TEXT NOT NULL,
    since INTEGER NOT NULL,
    -- From when on it has to wait before it deletes anything; none where it need not.
    grace_from INTEGER
) WITHOUT ROWID;
-- The configuration that is set on pages: each text that a part was given, TOML, from 1 within the part; the newest of each is in force where no file
-- holds it. None is changed, and none goes.
CREATE TABLE configuration_version (
    part TEXT NOT NULL,
    number INTEGER NOT NULL,
    -- None where the part was given back to its file, or to what it is without one.
    body TEXT,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    why TEXT NOT NULL,
    -- Of the text, hex.
    sha256 TEXT NOT NULL,
    PRIMARY KEY (part, number)
) WITHOUT ROWID;
CREATE TRIGGER configuration_version_no_update BEFORE UPDATE ON configuration_version
    BEGIN SELECT RAISE(ABORT, 'versions of the configuration are append-only'); END;
CREATE TRIGGER configuration_version_no_delete BEFORE DELETE ON configuration_version
    BEGIN SELECT RAISE(ABORT, 'versions of the configuration are append-only'); END;
CREATE TRIGGER configuration_version_in_order BEFORE INSERT ON configuration_version
    WHEN NEW.number <> (SELECT coalesce(max(number), 0) + 1 FROM configuration_version WHERE part = NEW.part)
    BEGIN SELECT RAISE(ABORT, 'versions of the configuration are append-only: a version follows the last one'); END;
-- What the centre says of itself in documents, JSON. One row.
CREATE TABLE document_settings (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    body TEXT NOT NULL
);
-- What people wrote into reports that are not issued yet; it stays, so that the next period can begin with it.
CREATE TABLE report_text (
    report TEXT NOT NULL,
    key TEXT NOT NULL,
    text TEXT NOT NULL,
    who TEXT NOT NULL,
    at INTEGER NOT NULL,
    PRIMARY KEY (report, key)
) WITHOUT ROWID;
-- Reports that were issued: the document, and what it was made of, JSON. None is ever changed.
CREATE TABLE issued_report (
    number INTEGER PRIMARY KEY,
    report TEXT NOT NULL,
    version INTEGER NOT NULL,
    title TEXT NOT NULL,
    at INTEGER NOT NULL,
    who TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    content BLOB NOT NULL,
    source TEXT NOT NULL,
    UNIQUE (report, version)
);
CREATE TRIGGER issued_report_no_update BEFORE UPDATE ON issued_report BEGIN SELECT RAISE(ABORT, 'issued reports stay on record'); END;
CREATE TRIGGER issued_report_no_delete BEFORE DELETE ON issued_report BEGIN SELECT RAISE(ABORT, 'issued reports stay on record'); END;
CREATE TRIGGER issued_report_in_order BEFORE INSERT ON issued_report
    WHEN EXISTS (SELECT 1 FROM issued_report WHERE number = NEW.number OR (report = NEW.report AND version = NEW.version))
    BEGIN SELECT RAISE(ABORT, 'issued reports stay on record'); END;
-- Under which number and date each was registered: a later one corrects those before, and the last one counts.
CREATE TABLE report_registration (
    issued INTEGER NOT NULL REFERENCES issued_report (number),
    -- From 1.
    place INTEGER NOT NULL,
    number INTEGER NOT NULL,
    date TEXT NOT NULL,
    who TEXT NOT NULL,
    at INTEGER NOT NULL,
    sha256 TEXT NOT NULL,
    -- What kind of document it is, as it stands in the number; empty for a letter.
    kind TEXT NOT NULL,
    -- Why the one before was wrong; empty for the first.
    reason TEXT NOT NULL,
    -- The copy that has number and date.
    copy BLOB NOT NULL,
    PRIMARY KEY (issued, place)
);
CREATE INDEX report_registration_by_number ON report_registration (number, kind);
CREATE TRIGGER report_registration_no_update BEFORE UPDATE ON report_registration BEGIN SELECT RAISE(ABORT, 'registrations stay on record'); END;
CREATE TRIGGER report_registration_no_delete BEFORE DELETE ON report_registration BEGIN SELECT RAISE(ABORT, 'registrations stay on record'); END;
CREATE TRIGGER report_registration_in_order BEFORE INSERT ON report_registration
    WHEN EXISTS (SELECT 1 FROM report_registration WHERE issued = NEW.issued AND place >= NEW.place)
    BEGIN SELECT RAISE(ABORT, 'registrations stay on record'); END;
-- Signed heads of the log, each by its last record: its hash, and the Merkle root over the hashes up to it, hex; the signature in base64.
CREATE TABLE audit_head (
    number INTEGER PRIMARY KEY,
    hash TEXT NOT NULL,
    root TEXT NOT NULL,
    at INTEGER NOT NULL,
    key TEXT NOT NULL,
    signature TEXT NOT NULL
);
CREATE TRIGGER audit_head_no_update BEFORE UPDATE ON audit_head BEGIN SELECT RAISE(ABORT, 'signed heads are append-only'); END;
CREATE TRIGGER audit_head_no_delete BEFORE DELETE ON audit_head BEGIN SELECT RAISE(ABORT, 'signed heads are append-only'); END;
-- A log that was cut or saved out of a damaged store goes on before heads whose records are gone. They stay, and none takes their place.
CREATE TRIGGER audit_head_in_order BEFORE INSERT ON audit_head WHEN EXISTS (SELECT 1 FROM audit_head WHERE number = NEW.number)
    OR NEW.number > (SELECT coalesce(max(number), 0) FROM audit)
    OR NEW.number < coalesce((SELECT h.number FROM audit_head h JOIN audit a ON a.number = h.number AND a.hash = h.hash ORDER BY h.number DESC LIMIT 1), 0)
    BEGIN SELECT RAISE(ABORT, 'signed heads are append-only: each is of a later record'); END;
-- What a time stamping authority said of heads (RFC 3161): when, who, and its whole answer.
CREATE TABLE audit_stamp (
    number INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    authority TEXT NOT NULL,
    reply BLOB NOT NULL
);
CREATE TRIGGER audit_stamp_no_update BEFORE UPDATE ON audit_stamp BEGIN SELECT RAISE(ABORT, 'time stamps are append-only'); END;
CREATE TRIGGER audit_stamp_no_delete BEFORE DELETE ON audit_stamp BEGIN SELECT RAISE(ABORT, 'time stamps are append-only'); END;
CREATE TRIGGER audit_stamp_in_order BEFORE INSERT ON audit_stamp WHEN EXISTS (SELECT 1 FROM audit_stamp WHERE number = NEW.number)
    OR NOT EXISTS (SELECT 1 FROM audit_head WHERE number = NEW.number)
    BEGIN SELECT RAISE(ABORT, 'time stamps are append-only: each is of a signed head'); END;
-- The keys that signed them: the public half, and its certificate, PEM.
CREATE TABLE audit_key (
    id TEXT PRIMARY KEY,
    public BLOB NOT NULL,
    certificate TEXT NOT NULL,
    at INTEGER NOT NULL
);
CREATE TRIGGER audit_key_no_update BEFORE UPDATE ON audit_key BEGIN SELECT RAISE(ABORT, 'keys of signed heads are append-only'); END;
CREATE TRIGGER audit_key_no_delete BEFORE DELETE ON audit_key BEGIN SELECT RAISE(ABORT, 'keys of signed heads are append-only'); END;
CREATE TRIGGER audit_key_in_order BEFORE INSERT ON audit_key WHEN EXISTS (SELECT 1 FROM audit_key WHERE id = NEW.id)
    BEGIN SELECT RAISE(ABORT, 'keys of signed heads are append-only'); END;
-- The Merkle tree at the newest head, so that a start need not read all records; made anew where it does not fit.
CREATE TABLE audit_tree (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    size INTEGER NOT NULL,
    peaks BLOB NOT NULL
);
-- What the search index (search.db) has to look at again: records that changed or went, each with the second in which it happened until
-- then; and steps, whose numbers do not count upwards. Kinds as in search/mod.rs, steps as in sqlite/search_file.rs. A ring: an index that is
-- further behind is made anew.
CREATE TABLE search_log (
    number INTEGER PRIMARY KEY,
    kind INTEGER NOT NULL,
    record INTEGER NOT NULL,
    second INTEGER
);
CREATE TRIGGER search_log_ring AFTER INSERT ON search_log BEGIN DELETE FROM search_log WHERE number <= NEW.number - 200000; END;
CREATE TRIGGER search_audit_gone AFTER DELETE ON audit
    BEGIN INSERT INTO search_log (kind, record, second) VALUES (1, OLD.number, OLD.at / 1000); END;
CREATE TRIGGER search_event_gone AFTER DELETE ON event
    BEGIN INSERT INTO search_log (kind, record, second) VALUES (2, OLD.number, OLD.at / 1000); END;
CREATE TRIGGER search_event_changed AFTER UPDATE OF at, name, text, fields, device ON event
    BEGIN INSERT INTO search_log (kind, record, second) VALUES (2, OLD.number, OLD.at / 1000); END;
CREATE TRIGGER search_fault_gone AFTER DELETE ON fault
    BEGIN INSERT INTO search_log (kind, record, second) VALUES (3, OLD.id, unixepoch(OLD.body ->> 'raised_at')); END;
CREATE TRIGGER search_fault_changed AFTER UPDATE OF body ON fault
    BEGIN INSERT INTO search_log (kind, record, second) VALUES (3, OLD.id, unixepoch(OLD.body ->> 'raised_at')); END;
CREATE TRIGGER search_incident_gone AFTER DELETE ON incident
    BEGIN INSERT INTO search_log (kind, record, second) VALUES (4, OLD.id, unixepoch(OLD.body ->> 'opened_at')); END;
CREATE TRIGGER search_incident_changed AFTER UPDATE OF body ON incident
    BEGIN INSERT INTO search_log (kind, record, second) VALUES (4, OLD.id, unixepoch(OLD.body ->> 'opened_at')); END;
CREATE TRIGGER search_step_came AFTER INSERT ON step
    BEGIN INSERT INTO search_log (kind, record, second) VALUES (5, NEW.incident << 20 | NEW.number, unixepoch(NEW.body ->> 'at')); END;
CREATE TRIGGER search_step_gone AFTER DELETE ON step
    BEGIN INSERT INTO search_log (kind, record, second) VALUES (5, OLD.incident << 20 | OLD.number, unixepoch(OLD.body ->> 'at')); END;
CREATE TRIGGER search_step_changed AFTER UPDATE OF body ON step
    BEGIN INSERT INTO search_log (kind, record, second) VALUES (5, OLD.incident << 20 | OLD.number, unixepoch(OLD.body ->> 'at')); END;
CREATE TRIGGER search_notice_gone AFTER DELETE ON outbox
    BEGIN INSERT INTO search_log (kind, record, second) VALUES (6, OLD.number, OLD.created_at / 1000); END;
CREATE TRIGGER search_notice_changed AFTER UPDATE OF notice, person ON outbox
    BEGIN INSERT INTO search_log (kind, record, second) VALUES (6, OLD.number, OLD.created_at / 1000); END;
