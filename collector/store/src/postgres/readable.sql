-- For people with psql: what is asked for most, with times as times (in the zone of the session) and names beside numbers. Nothing of the program reads
-- these. Whoever may read them sees names of people: they go to whoever may see the tables.
CREATE VIEW readable_device AS SELECT d.id, d.kind, d.place, d.computer, p.state AS presence, to_timestamp(d.enrolled_at / 1000.0) AS enrolled_at,
    to_timestamp(d.revoked_at / 1000.0) AS revoked_at FROM device d LEFT JOIN presence p ON p.device = d.number;
CREATE VIEW readable_event AS SELECT e.number, d.id AS device, to_timestamp(e.at / 1000.0) AS at, e.name, e.text FROM event e
    LEFT JOIN device d ON d.number = e.device;
CREATE VIEW readable_fault AS SELECT f.id, d.id AS device, f.state, f.open, (ARRAY['information', 'warning', 'critical'])[f.severity] AS severity, f.incident,
    to_timestamp(f.raised_at / 1000.0) AS raised_at, to_timestamp(f.ended_at / 1000.0) AS ended_at, f.body FROM fault f LEFT JOIN device d ON d.number = f.device;
CREATE VIEW readable_incident AS SELECT 'INC-' || lpad(i.id::text, 6, '0') AS incident, d.id AS device, i.active, to_timestamp(i.opened_at / 1000.0) AS opened_at,
    to_timestamp(i.resolved_at / 1000.0) AS resolved_at, to_timestamp(i.closed_at / 1000.0) AS closed_at, i.body FROM incident i
    LEFT JOIN device d ON d.number = i.device;
CREATE VIEW readable_notice AS SELECT o.number, o.incident, o.channel, o.person, (ARRAY['information', 'warning', 'critical'])[o.severity] AS severity, o.state,
    o.attempts, to_timestamp(o.created_at / 1000.0) AS created_at, to_timestamp(o.next_attempt_at / 1000.0) AS next_attempt_at,
    to_timestamp(o.delivered_at / 1000.0) AS delivered_at, o.last_error FROM outbox o;
CREATE VIEW readable_audit AS SELECT number, to_timestamp(at / 1000.0) AS at, actor, action, subject, detail FROM audit;
CREATE VIEW readable_account AS SELECT name, full_name, role, places, disabled, must_change, to_timestamp(password_at / 1000.0) AS password_at,
    to_timestamp(locked_until / 1000.0) AS locked_until, to_timestamp(last_sign_in_at / 1000.0) AS last_sign_in_at FROM account;
CREATE VIEW readable_hold AS SELECT number, kind, subject, reason, to_timestamp(at / 1000.0) AS at, who, to_timestamp(ended_at / 1000.0) AS ended_at, ended_by,
    end_reason FROM hold;
CREATE VIEW readable_deletion AS SELECT number, to_timestamp(at / 1000.0) AS at, class, to_timestamp(first / 1000.0) AS first, to_timestamp(last / 1000.0) AS last,
    count, digest, rule FROM deletion;
CREATE VIEW readable_lease AS SELECT holder, fence, until, until > clock_timestamp() AS is_held, renewed FROM lease;
COMMENT ON VIEW readable_device IS 'Devices, and whether they are heard.';
COMMENT ON VIEW readable_event IS 'What happened on devices.';
COMMENT ON VIEW readable_fault IS 'Faults.';
COMMENT ON VIEW readable_incident IS 'Incidents.';
COMMENT ON VIEW readable_notice IS 'Notices and what became of them.';
COMMENT ON VIEW readable_audit IS 'The audit log.';
COMMENT ON VIEW readable_account IS 'Accounts, without what proves who somebody is.';
COMMENT ON VIEW readable_hold IS 'Legal holds.';
COMMENT ON VIEW readable_deletion IS 'Evidence of deletions.';
COMMENT ON VIEW readable_lease IS 'Which collector decides for this site.';
