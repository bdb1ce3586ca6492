-- programs: >=0.1
-- What keeps a due job from starting: limits, pauses, blackout windows, draining workers; and what ends one that
-- goes wrong: a deadline, too many failures in a row. All of it is looked at when claiming, never stored in the job.

ALTER TABLE integrations
    ADD COLUMN max_runs integer CHECK (max_runs > 0);
COMMENT ON COLUMN integrations.max_runs IS 'Runs at once on this integration; null: as many as there are slots.';
ALTER TABLE tenants
    ADD COLUMN max_runs integer CHECK (max_runs > 0);

ALTER TABLE etl_jobs
    ADD COLUMN deadline_minutes integer CHECK (deadline_minutes > 0),
    ADD COLUMN max_failures integer NOT NULL DEFAULT 10 CHECK (max_failures > 0);
COMMENT ON COLUMN etl_jobs.deadline_minutes IS 'A run that takes longer is ended FAILED; null: none.';
COMMENT ON COLUMN etl_jobs.max_failures IS 'After so many failures in a row the job is switched off.';

ALTER TABLE workers
    ADD COLUMN draining_by text;
COMMENT ON COLUMN workers.draining_by IS 'Who asked it to take no more runs.';

-- Limits that hold for everything; one row.
CREATE TABLE dispatch_limits (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    max_runs integer CHECK (max_runs > 0)
);
INSERT INTO dispatch_limits DEFAULT VALUES;

CREATE TABLE pauses (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id integer REFERENCES tenants (id) ON DELETE CASCADE,
    integration_id integer REFERENCES integrations (id) ON DELETE CASCADE,
    reason text NOT NULL,
    paused_by text NOT NULL,
    paused_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE NULLS NOT DISTINCT (tenant_id, integration_id),
    CHECK (integration_id IS NULL OR tenant_id IS NOT NULL)
);
COMMENT ON TABLE pauses IS 'Nothing starts: of an integration, of a tenant (integration_id null), of all (both null).';

CREATE TABLE blackout_windows (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id integer NOT NULL REFERENCES tenants (id) ON DELETE CASCADE,
    integration_id integer REFERENCES integrations (id) ON DELETE CASCADE,
    job_id integer REFERENCES etl_jobs (id) ON DELETE CASCADE,
    weekdays integer [] NOT NULL CHECK (cardinality(weekdays) > 0 AND weekdays <@ ARRAY[1, 2, 3, 4, 5, 6, 7]),
    starts time NOT NULL,
    ends time NOT NULL,
    time_zone text NOT NULL,
    reason text,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    CHECK (integration_id IS NULL OR job_id IS NULL)
);
COMMENT ON COLUMN blackout_windows.weekdays IS 'ISO: 1 is Monday. The day on which the window starts.';
COMMENT ON COLUMN blackout_windows.ends IS 'Not after `starts`: on the next day. Equal: 24 hours.';
CREATE INDEX blackout_windows_of_tenant ON blackout_windows (tenant_id);
CREATE INDEX blackout_windows_of_job ON blackout_windows (job_id) WHERE job_id IS NOT NULL;

-- When the window that holds at that moment ends; null when none does. Local days and hours, so that a window keeps
-- its hours when the clocks change.
CREATE FUNCTION window_end(w blackout_windows, at timestamptz) RETURNS timestamptz LANGUAGE sql STABLE AS $$
    SELECT max(((day + w.ends) + CASE WHEN w.ends <= w.starts THEN interval '1 day' ELSE interval '0' END)
        AT TIME ZONE w.time_zone)
    FROM (
        SELECT (at AT TIME ZONE w.time_zone)::date - back AS day FROM generate_series(0, 1) AS back
    ) AS days
    WHERE extract(isodow FROM day)::integer = ANY (w.weekdays)
      AND at >= (day + w.starts) AT TIME ZONE w.time_zone
      AND at < ((day + w.ends) + CASE WHEN w.ends <= w.starts THEN interval '1 day' ELSE interval '0' END)
          AT TIME ZONE w.time_zone
$$;

-- The one reason why a run on this integration would not start now although it is due, or null: {kind, detail, until}.
-- kind: paused, blackout, limited (by the source), busy. Of the place alone, so that a list of 10,000 late jobs asks
-- once per integration and not once per job (measured: 13 s).
CREATE FUNCTION place_obstacle(of_integration integer, by_person boolean) RETURNS jsonb LANGUAGE plpgsql STABLE
COST 10000 AS $$
DECLARE
    place record;
    hit record;
BEGIN
    SELECT i.id AS integration_id, i.tenant_id, t.name AS tenant, t.max_runs AS tenant_max,
        i.name AS integration, i.max_runs AS integration_max, i.ready_at, i.wait_reason
    INTO place
    FROM integrations AS i INNER JOIN tenants AS t ON i.tenant_id = t.id
    WHERE i.id = of_integration;

    SELECT p.paused_by, p.reason INTO hit
    FROM pauses AS p
    WHERE (p.tenant_id IS NULL OR p.tenant_id = place.tenant_id)
      AND (p.integration_id IS NULL OR p.integration_id = place.integration_id)
    ORDER BY p.tenant_id NULLS FIRST, p.integration_id NULLS FIRST
    LIMIT 1;
    IF FOUND THEN
        RETURN jsonb_build_object('kind', 'paused', 'detail', format('paused by %s: %s', hit.paused_by, hit.reason));
    END IF;

    -- A person who says "now" means it: a blackout holds for the schedule only.
    IF NOT by_person THEN
        SELECT max(window_end(w, now())) AS until INTO hit
        FROM blackout_windows AS w
        WHERE w.tenant_id = place.tenant_id AND w.job_id IS NULL
          AND (w.integration_id IS NULL OR w.integration_id = place.integration_id);
        IF hit.until IS NOT NULL THEN
            RETURN jsonb_build_object('kind', 'blackout', 'detail', 'blackout', 'until', hit.until);
        END IF;
    END IF;

    IF place.ready_at > now() THEN
        RETURN jsonb_build_object(
            'kind', 'limited', 'detail', coalesce(place.wait_reason, 'the source limits its rate'), 'until', place.ready_at
        );
    END IF;

    IF place.integration_max IS NOT NULL THEN
        SELECT count(*) AS running INTO hit
        FROM job_runs AS r INNER JOIN etl_jobs AS j ON r.job_id = j.id
        WHERE r.state = 'RUNNING' AND j.integration_id = place.integration_id;
        IF hit.running >= place.integration_max THEN
            RETURN jsonb_build_object('kind', 'busy', 'detail', format(
                'busy: %s/%s has %s of %s runs', place.tenant, place.integration, hit.running, place.integration_max
            ));
        END IF;
    END IF;
    IF place.tenant_max IS NOT NULL THEN
        SELECT count(*) AS running INTO hit
        FROM job_runs AS r WHERE r.state = 'RUNNING' AND r.tenant_id = place.tenant_id;
        IF hit.running >= place.tenant_max THEN
            RETURN jsonb_build_object('kind', 'busy', 'detail', format(
                'busy: %s has %s of %s runs', place.tenant, hit.running, place.tenant_max
            ));
        END IF;
    END IF;
    SELECT (SELECT count(*) FROM job_runs WHERE state = 'RUNNING') AS running, l.max_runs INTO hit
    FROM dispatch_limits AS l WHERE l.max_runs IS NOT NULL;
    IF FOUND AND hit.running >= hit.max_runs THEN
        RETURN jsonb_build_object(
            'kind', 'busy', 'detail', format('busy: %s of %s runs in all', hit.running, hit.max_runs)
        );
    END IF;
    RETURN NULL;
END
$$;

-- The same of a job, given that of its place: its own windows come behind a pause and before limits.
CREATE FUNCTION job_obstacle(of_job integer, by_person boolean, place jsonb) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT CASE
        WHEN by_person OR own.until IS NULL OR place ->> 'kind' = 'paused' THEN place
        ELSE jsonb_build_object(
            'kind', 'blackout', 'detail', 'blackout', 'until', greatest(
                own.until, CASE WHEN place ->> 'kind' = 'blackout' THEN (place ->> 'until')::timestamptz END
            )
        )
    END
    FROM (SELECT max(window_end(w, now())) AS until FROM blackout_windows AS w WHERE w.job_id = of_job) AS own
$$;

-- Why a run of this job would not start now: who reads it are claims.
CREATE FUNCTION dispatch_obstacle(of_job integer, by_person boolean) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT job_obstacle(j.id, by_person, place_obstacle(j.integration_id, by_person))
    FROM etl_jobs AS j WHERE j.id = of_job
$$;

-- Claims go by integration now: the room that its limit leaves, and no further.
DROP INDEX etl_jobs_due;
CREATE INDEX etl_jobs_due ON etl_jobs (integration_id, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX job_runs_open_of_tenant ON job_runs (tenant_id) WHERE state IN ('QUEUED', 'RUNNING');

-- The overview tells why a job that is due, or a run that is queued, does not start.
DROP VIEW job_overview;
CREATE VIEW job_overview AS
SELECT
    j.id, j.job_name, j.status, j.active, j.schedule_interval_minutes, j.retry_interval_minutes,
    j.integration_id, i.type AS integration_type, i.logo_filename AS integration_logo_filename,
    j.last_run_started_at, j.last_run_finished_at, j.created_at, j.last_updated_at,
    j.error_message, j.retry_count, j.checkpoint_version, j.deadline_minutes, j.max_failures,
    t.name AS tenant, i.name AS integration,
    j.due_at, j.held, j.hold_reason, j.held_by, j.held_until, j.not_before, j.off_by, j.off_reason,
    j.error_kind, j.last_success_at, j.row_version,
    r.id AS run_id, r.state AS run_state, r.trigger AS run_trigger, r.queued_at AS run_queued_at,
    r.started_at AS run_started_at, r.finished_at AS run_finished_at, r.wait_reason AS run_wait_reason,
    r.ready_at AS run_ready_at, r.requested_by AS run_requested_by,
    r.rows_extracted, r.rows_new, r.rows_changed, r.rows_unchanged, r.rows_deleted, r.rows_rejected, r.rows_expected,
    obstacle.found ->> 'kind' AS obstacle_kind,
    obstacle.found ->> 'detail' AS obstacle,
    (obstacle.found ->> 'until')::timestamptz AS obstacle_until
FROM etl_jobs AS j
INNER JOIN tenants AS t ON j.tenant_id = t.id
LEFT JOIN (
    integrations AS i
    -- OFFSET 0: a place is asked once, not once for each column that is read from its answer.
    LEFT JOIN LATERAL (
        SELECT CASE
            WHEN EXISTS (SELECT FROM job_runs AS q WHERE q.state = 'QUEUED')
                OR EXISTS (SELECT FROM etl_jobs AS d WHERE d.integration_id = i.id AND d.due_at <= now())
                THEN place_obstacle(i.id, false)
        END AS obstacle
        OFFSET 0
    ) AS place ON true
) ON j.integration_id = i.id
LEFT JOIN LATERAL (SELECT * FROM run_overview AS o WHERE o.job_id = j.id ORDER BY o.id DESC LIMIT 1) AS r ON true
LEFT JOIN LATERAL (
    SELECT CASE
        WHEN j.due_at <= now() AND j.status <> 'RUNNING' OR j.status = 'RUNNING' AND r.state = 'QUEUED' AND r.ready_at <= now()
            THEN CASE
                -- A person's run does not heed a blackout.
                WHEN j.status = 'RUNNING' AND r.trigger = 'manual'
                    THEN CASE
                        WHEN place.obstacle ->> 'kind' = 'blackout' THEN place_obstacle(j.integration_id, true)
                        ELSE place.obstacle
                    END
                WHEN j.id IN (SELECT w.job_id FROM blackout_windows AS w WHERE w.job_id IS NOT NULL)
                    THEN job_obstacle(j.id, false, place.obstacle)
                ELSE place.obstacle
            END
    END AS found
    OFFSET 0
) AS obstacle ON true;
