-- What the database itself holds, whoever writes: numbers that follow each other, records that are never changed, and what the search index has to look
-- at again. The rules are those of collector/store/src/sqlite/schema.sql.
--
-- They bind the program, its role and whoever forgets; they do not bind the owner of the tables or a superuser, who can disable a trigger, set
-- session_replication_role, drop a table or write to the files. What they changed in the audit log is found all the same: each record carries the hash
-- of the one before, heads of the log are signed, and every agent keeps the newest (docs/scale.md, What a superuser can do).

-- As SQLite does for an INTEGER PRIMARY KEY that is not given: the largest number and one. There is one writer, so that none is missing and none
-- given twice at a time. It costs a look into the index, and no sequence has to be set after a copy.
CREATE FUNCTION fill_number() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('SELECT coalesce(max(number), 0) + 1 FROM %I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME) INTO NEW.number;
    RETURN NEW;
END $$;
DO $$
DECLARE
    named text;
BEGIN
    FOREACH named IN ARRAY ARRAY['device', 'handover', 'clock_step', 'backup_attestation', 'asset_attestation', 'table_import', 'product',
        'account_attestation', 'account_review', 'hold', 'deletion', 'issued_report', 'search_log'] LOOP
        EXECUTE format('CREATE TRIGGER a_number BEFORE INSERT ON %I FOR EACH ROW WHEN (NEW.number IS NULL) EXECUTE FUNCTION fill_number()', named);
    END LOOP;
END $$;

CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', TG_ARGV[0];
END $$;

-- The audit log is append-only: one record after the other, and none in the place of another.
CREATE FUNCTION audit_in_order() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.number IS DISTINCT FROM (SELECT coalesce(max(number), 0) + 1 FROM audit) THEN
        RAISE EXCEPTION 'the audit log is append-only: a record follows the last one';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_in_order BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION audit_in_order();
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit FOR EACH ROW EXECUTE FUNCTION refuse('the audit log is append-only');
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit FOR EACH ROW EXECUTE FUNCTION refuse('the audit log is append-only');
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON audit FOR EACH STATEMENT EXECUTE FUNCTION refuse('the audit log is append-only');

-- A log that was cut or saved out of a damaged store goes on before heads whose records are gone. They stay, and none takes their place.
CREATE FUNCTION audit_head_in_order() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM audit_head WHERE number = NEW.number)
        OR NEW.number > (SELECT coalesce(max(number), 0) FROM audit)
        OR NEW.number < coalesce((SELECT h.number FROM audit_head h JOIN audit a ON a.number = h.number AND a.hash = h.hash
            ORDER BY h.number DESC LIMIT 1), 0) THEN
        RAISE EXCEPTION 'signed heads are append-only: each is of a later record';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_head_in_order BEFORE INSERT ON audit_head FOR EACH ROW EXECUTE FUNCTION audit_head_in_order();
CREATE TRIGGER audit_head_no_update BEFORE UPDATE ON audit_head FOR EACH ROW EXECUTE FUNCTION refuse('signed heads are append-only');
CREATE TRIGGER audit_head_no_delete BEFORE DELETE ON audit_head FOR EACH ROW EXECUTE FUNCTION refuse('signed heads are append-only');
CREATE TRIGGER audit_head_no_truncate BEFORE TRUNCATE ON audit_head FOR EACH STATEMENT EXECUTE FUNCTION refuse('signed heads are append-only');

CREATE FUNCTION audit_stamp_in_order() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM audit_stamp WHERE number = NEW.number) OR NOT EXISTS (SELECT 1 FROM audit_head WHERE number = NEW.number) THEN
        RAISE EXCEPTION 'time stamps are append-only: each is of a signed head';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_stamp_in_order BEFORE INSERT ON audit_stamp FOR EACH ROW EXECUTE FUNCTION audit_stamp_in_order();
CREATE TRIGGER audit_stamp_no_update BEFORE UPDATE ON audit_stamp FOR EACH ROW EXECUTE FUNCTION refuse('time stamps are append-only');
CREATE TRIGGER audit_stamp_no_delete BEFORE DELETE ON audit_stamp FOR EACH ROW EXECUTE FUNCTION refuse('time stamps are append-only');
CREATE TRIGGER audit_stamp_no_truncate BEFORE TRUNCATE ON audit_stamp FOR EACH STATEMENT EXECUTE FUNCTION refuse('time stamps are append-only');

CREATE FUNCTION audit_key_in_order() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM audit_key WHERE id = NEW.id) THEN
        RAISE EXCEPTION 'keys of signed heads are append-only';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER audit_key_in_order BEFORE INSERT ON audit_key FOR EACH ROW EXECUTE FUNCTION audit_key_in_order();
CREATE TRIGGER audit_key_no_update BEFORE UPDATE ON audit_key FOR EACH ROW EXECUTE FUNCTION refuse('keys of signed heads are append-only');
CREATE TRIGGER audit_key_no_delete BEFORE DELETE ON audit_key FOR EACH ROW EXECUTE FUNCTION refuse('keys of signed heads are append-only');
CREATE TRIGGER audit_key_no_truncate BEFORE TRUNCATE ON audit_key FOR EACH STATEMENT EXECUTE FUNCTION refuse('keys of signed heads are append-only');

CREATE TRIGGER handover_no_update BEFORE UPDATE ON handover FOR EACH ROW EXECUTE FUNCTION refuse('the duty book is append-only');
CREATE TRIGGER handover_no_delete BEFORE DELETE ON handover FOR EACH ROW EXECUTE FUNCTION refuse('the duty book is append-only');
CREATE TRIGGER handover_no_truncate BEFORE TRUNCATE ON handover FOR EACH STATEMENT EXECUTE FUNCTION refuse('the duty book is append-only');

CREATE TRIGGER deletion_no_update BEFORE UPDATE ON deletion FOR EACH ROW EXECUTE FUNCTION refuse('evidence of deletions is append-only');
CREATE TRIGGER deletion_no_delete BEFORE DELETE ON deletion FOR EACH ROW EXECUTE FUNCTION refuse('evidence of deletions is append-only');
CREATE TRIGGER deletion_no_truncate BEFORE TRUNCATE ON deletion FOR EACH STATEMENT EXECUTE FUNCTION refuse('evidence of deletions is append-only');

-- A legal hold is ended once, and not changed otherwise.
CREATE TRIGGER hold_ends_once BEFORE UPDATE ON hold FOR EACH ROW WHEN (OLD.ended_at IS NOT NULL OR NEW.number <> OLD.number OR NEW.kind <> OLD.kind
    OR NEW.subject <> OLD.subject OR NEW.device IS DISTINCT FROM OLD.device OR NEW.incident IS DISTINCT FROM OLD.incident
    OR NEW.from_at IS DISTINCT FROM OLD.from_at OR NEW.until_at IS DISTINCT FROM OLD.until_at OR NEW.reason <> OLD.reason OR NEW.at <> OLD.at
    OR NEW.who <> OLD.who) EXECUTE FUNCTION refuse('a legal hold is ended once, and not changed otherwise');
CREATE TRIGGER hold_no_delete BEFORE DELETE ON hold FOR EACH ROW EXECUTE FUNCTION refuse('legal holds stay on record');
CREATE TRIGGER hold_no_truncate BEFORE TRUNCATE ON hold FOR EACH STATEMENT EXECUTE FUNCTION refuse('legal holds stay on record');

-- Versions of the configuration follow each other within their part, and stay.
CREATE FUNCTION configuration_version_in_order() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF NEW.number IS DISTINCT FROM (SELECT coalesce(max(number), 0) + 1 FROM configuration_version WHERE part = NEW.part) THEN
        RAISE EXCEPTION 'versions of the configuration are append-only: a version follows the last one';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER configuration_version_in_order BEFORE INSERT ON configuration_version FOR EACH ROW
    EXECUTE FUNCTION configuration_version_in_order();
CREATE TRIGGER configuration_version_no_update BEFORE UPDATE ON configuration_version FOR EACH ROW
    EXECUTE FUNCTION refuse('versions of the configuration are append-only');
CREATE TRIGGER configuration_version_no_delete BEFORE DELETE ON configuration_version FOR EACH ROW
    EXECUTE FUNCTION refuse('versions of the configuration are append-only');
CREATE TRIGGER configuration_version_no_truncate BEFORE TRUNCATE ON configuration_version FOR EACH STATEMENT
    EXECUTE FUNCTION refuse('versions of the configuration are append-only');

-- An issued report is never changed, nor is how it was registered: what was wrong is followed by another.
CREATE TRIGGER issued_report_no_update BEFORE UPDATE ON issued_report FOR EACH ROW EXECUTE FUNCTION refuse('issued reports stay on record');
CREATE TRIGGER report_registration_no_update BEFORE UPDATE ON report_registration FOR EACH ROW EXECUTE FUNCTION refuse('registrations stay on record');
CREATE TRIGGER report_registration_no_delete BEFORE DELETE ON report_registration FOR EACH ROW EXECUTE FUNCTION refuse('registrations stay on record');
CREATE TRIGGER report_registration_no_truncate BEFORE TRUNCATE ON report_registration FOR EACH STATEMENT EXECUTE FUNCTION refuse('registrations stay on record');
CREATE TRIGGER issued_report_no_delete BEFORE DELETE ON issued_report FOR EACH ROW EXECUTE FUNCTION refuse('issued reports stay on record');
CREATE TRIGGER issued_report_no_truncate BEFORE TRUNCATE ON issued_report FOR EACH STATEMENT EXECUTE FUNCTION refuse('issued reports stay on record');

-- A review of accounts is signed once, and not changed from then on. Its lines come before the signature.
CREATE FUNCTION account_review_line_open() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM account_review WHERE number = NEW.review AND signed_at IS NOT NULL)
        OR (TG_OP = 'UPDATE' AND EXISTS (SELECT 1 FROM account_review WHERE number = OLD.review AND signed_at IS NOT NULL)) THEN
        RAISE EXCEPTION 'a review of accounts that is signed is not changed';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER account_review_signed_once BEFORE UPDATE ON account_review FOR EACH ROW WHEN (OLD.signed_at IS NOT NULL)
    EXECUTE FUNCTION refuse('a review of accounts is signed once, and not changed from then on');
CREATE TRIGGER account_review_no_delete BEFORE DELETE ON account_review FOR EACH ROW EXECUTE FUNCTION refuse('reviews of accounts stay on record');
CREATE TRIGGER account_review_no_truncate BEFORE TRUNCATE ON account_review FOR EACH STATEMENT EXECUTE FUNCTION refuse('reviews of accounts stay on record');
-- What was counted and closed stays as it is.
CREATE TRIGGER inventory_count_closed_once BEFORE UPDATE ON inventory_count FOR EACH ROW WHEN (NOT OLD.open OR NEW.number <> OLD.number)
    EXECUTE FUNCTION refuse('an inventory taking is closed once');
CREATE TRIGGER inventory_count_no_delete BEFORE DELETE ON inventory_count FOR EACH ROW EXECUTE FUNCTION refuse('inventory takings stay on record');
CREATE TRIGGER inventory_count_no_truncate BEFORE TRUNCATE ON inventory_count FOR EACH STATEMENT EXECUTE FUNCTION refuse('inventory takings stay on record');
CREATE FUNCTION inventory_tick_open() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM inventory_count WHERE number = NEW.count AND NOT open)
        OR (TG_OP = 'UPDATE' AND (NEW.count <> OLD.count OR NEW.device <> OLD.device)) THEN
        RAISE EXCEPTION 'an inventory taking is closed once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER inventory_tick_open BEFORE INSERT OR UPDATE ON inventory_tick FOR EACH ROW EXECUTE FUNCTION inventory_tick_open();
CREATE TRIGGER inventory_tick_no_delete BEFORE DELETE ON inventory_tick FOR EACH ROW EXECUTE FUNCTION refuse('inventory takings stay on record');
CREATE TRIGGER inventory_tick_no_truncate BEFORE TRUNCATE ON inventory_tick FOR EACH STATEMENT EXECUTE FUNCTION refuse('inventory takings stay on record');
-- What became of a thing that was found is said once, also when its taking is closed: that comes as an insertion that finds it there.
CREATE FUNCTION inventory_find_in_order() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM inventory_count WHERE number = NEW.count AND NOT open)
        AND NOT EXISTS (SELECT 1 FROM inventory_find WHERE count = NEW.count AND number = NEW.number AND open) THEN
        RAISE EXCEPTION 'an inventory taking is closed once';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER inventory_find_in_order BEFORE INSERT ON inventory_find FOR EACH ROW EXECUTE FUNCTION inventory_find_in_order();
CREATE TRIGGER inventory_find_settled_once BEFORE UPDATE ON inventory_find FOR EACH ROW WHEN (NOT OLD.open OR NEW.count <> OLD.count OR NEW.number <> OLD.number)
    EXECUTE FUNCTION refuse('what was found in an inventory taking is settled once');
CREATE TRIGGER inventory_find_no_delete BEFORE DELETE ON inventory_find FOR EACH ROW EXECUTE FUNCTION refuse('inventory takings stay on record');
CREATE TRIGGER inventory_find_no_truncate BEFORE TRUNCATE ON inventory_find FOR EACH STATEMENT EXECUTE FUNCTION refuse('inventory takings stay on record');
CREATE TRIGGER account_review_line_open BEFORE INSERT OR UPDATE ON account_review_line FOR EACH ROW EXECUTE FUNCTION account_review_line_open();
CREATE TRIGGER account_review_line_no_delete BEFORE DELETE ON account_review_line FOR EACH ROW EXECUTE FUNCTION refuse('reviews of accounts stay on record');
CREATE TRIGGER account_review_line_no_truncate BEFORE TRUNCATE ON account_review_line
    FOR EACH STATEMENT EXECUTE FUNCTION refuse('reviews of accounts stay on record');

-- What was attested stays as it was said, and what shows it as it is; an attestation may end sooner.
CREATE FUNCTION attestation_ends_sooner() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF to_jsonb(NEW) - 'valid_until' <> to_jsonb(OLD) - 'valid_until' OR NEW.valid_until > OLD.valid_until THEN
        RAISE EXCEPTION 'what was attested stays as it was said';
    END IF;
    RETURN NEW;
END $$;
-- A file that is there already is let be.
CREATE FUNCTION evidence_once() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    is_there boolean;
BEGIN
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I.%I WHERE attestation = $1 AND sha256 = $2)', TG_TABLE_SCHEMA, TG_TABLE_NAME)
        INTO is_there USING NEW.attestation, NEW.sha256;
    RETURN CASE WHEN is_there THEN NULL ELSE NEW END;
END $$;
CREATE TRIGGER backup_attestation_no_update BEFORE UPDATE ON backup_attestation FOR EACH ROW EXECUTE FUNCTION refuse('what was attested stays as it was said');
CREATE TRIGGER asset_attestation_no_update BEFORE UPDATE ON asset_attestation FOR EACH ROW EXECUTE FUNCTION attestation_ends_sooner();
CREATE TRIGGER account_attestation_no_update BEFORE UPDATE ON account_attestation FOR EACH ROW EXECUTE FUNCTION attestation_ends_sooner();
DO $$
DECLARE
    named text;
BEGIN
    FOREACH named IN ARRAY ARRAY['backup_attestation', 'asset_attestation', 'account_attestation'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE DELETE ON %I FOR EACH ROW EXECUTE FUNCTION refuse(%L)', named || '_no_delete', named, 'what was attested stays on record');
        EXECUTE format('CREATE TRIGGER %I BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION refuse(%L)', named || '_no_truncate', named, 'what was attested stays on record');
    END LOOP;
    FOREACH named IN ARRAY ARRAY['backup_evidence', 'asset_evidence', 'account_evidence'] LOOP
        EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE ON %I FOR EACH ROW EXECUTE FUNCTION refuse(%L)', named || '_no_update', named, 'what shows an attestation stays as it is');
        EXECUTE format('CREATE TRIGGER %I BEFORE DELETE ON %I FOR EACH ROW EXECUTE FUNCTION refuse(%L)', named || '_no_delete', named, 'what shows an attestation stays on record');
        EXECUTE format('CREATE TRIGGER %I BEFORE TRUNCATE ON %I FOR EACH STATEMENT EXECUTE FUNCTION refuse(%L)', named || '_no_truncate', named, 'what shows an attestation stays on record');
        EXECUTE format('CREATE TRIGGER %I BEFORE INSERT ON %I FOR EACH ROW EXECUTE FUNCTION evidence_once()', named || '_once', named);
    END LOOP;
END $$;

-- What the search index has to look at again: records that changed or went, each with the second in which it happened until then; and steps, whose
-- numbers do not count upwards. The argument is the kind, as in search_log.
CREATE FUNCTION second_of(body text, key text) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN floor(extract(epoch FROM (body::json ->> key)::timestamptz))::bigint;
EXCEPTION
    -- A body that is damaged keeps nothing from being deleted.
    WHEN data_exception THEN RETURN NULL;
END $$;
CREATE FUNCTION search_log_entry() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    of_kind CONSTANT bigint := TG_ARGV[0];
    one record;
    numbered bigint;
    happened bigint;
BEGIN
    IF TG_OP = 'INSERT' THEN one := NEW; ELSE one := OLD; END IF;
    IF of_kind = 3 THEN
        numbered := one.id; happened := second_of(one.body, 'raised_at');
    ELSIF of_kind = 4 THEN
        numbered := one.id; happened := second_of(one.body, 'opened_at');
    ELSIF of_kind = 5 THEN
        numbered := (one.incident << 20) | one.number; happened := second_of(one.body, 'at');
    ELSIF of_kind = 6 THEN
        numbered := one.number; happened := one.created_at / 1000;
    ELSE
        numbered := one.number; happened := one.at / 1000;
    END IF;
    INSERT INTO search_log (kind, record, second) VALUES (of_kind, numbered, happened);
    RETURN NULL;
END $$;
CREATE TRIGGER search_audit_gone AFTER DELETE ON audit FOR EACH ROW EXECUTE FUNCTION search_log_entry(1);
CREATE TRIGGER search_event_gone AFTER DELETE ON event FOR EACH ROW EXECUTE FUNCTION search_log_entry(2);
CREATE TRIGGER search_event_changed AFTER UPDATE OF at, name, text, fields, device ON event FOR EACH ROW EXECUTE FUNCTION search_log_entry(2);
CREATE TRIGGER search_fault_gone AFTER DELETE ON fault FOR EACH ROW EXECUTE FUNCTION search_log_entry(3);
CREATE TRIGGER search_fault_changed AFTER UPDATE OF body ON fault FOR EACH ROW EXECUTE FUNCTION search_log_entry(3);
CREATE TRIGGER search_incident_gone AFTER DELETE ON incident FOR EACH ROW EXECUTE FUNCTION search_log_entry(4);
CREATE TRIGGER search_incident_changed AFTER UPDATE OF body ON incident FOR EACH ROW EXECUTE FUNCTION search_log_entry(4);
CREATE TRIGGER search_step_came AFTER INSERT ON step FOR EACH ROW EXECUTE FUNCTION search_log_entry(5);
CREATE TRIGGER search_step_gone AFTER DELETE ON step FOR EACH ROW EXECUTE FUNCTION search_log_entry(5);
CREATE TRIGGER search_step_changed AFTER UPDATE OF body ON step FOR EACH ROW EXECUTE FUNCTION search_log_entry(5);
CREATE TRIGGER search_notice_gone AFTER DELETE ON outbox FOR EACH ROW EXECUTE FUNCTION search_log_entry(6);
CREATE TRIGGER search_notice_changed AFTER UPDATE OF notice, person ON outbox FOR EACH ROW EXECUTE FUNCTION search_log_entry(6);
CREATE FUNCTION search_log_ring() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM search_log WHERE number <= NEW.number - 200000;
    RETURN NULL;
END $$;
CREATE TRIGGER search_log_ring AFTER INSERT ON search_log FOR EACH ROW EXECUTE FUNCTION search_log_ring();
