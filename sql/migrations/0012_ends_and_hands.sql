-- programs: >=0.1
-- Stages as workers of their own: batches in the hands of several workers, and how a run ends, in one round trip.

ALTER TABLE run_batches
    ADD COLUMN in_hand_since timestamptz,
    ADD COLUMN format smallint NOT NULL DEFAULT 1;
COMMENT ON COLUMN run_batches.in_hand_since IS
    'Since when its holder works on this one alone: a worker lost meanwhile is charged to it. Null: carried along.';
COMMENT ON COLUMN run_batches.attempts IS 'Workers lost while they had this batch in hand; at three it is SET_ASIDE.';
COMMENT ON COLUMN run_batches.format IS 'Version byte of its payload: a worker takes only what it can read.';
CREATE INDEX run_batches_waiting ON run_batches (stage, stored_at) WHERE state = 'WAITING';
CREATE INDEX run_batches_set_aside ON run_batches (run_id, lane) WHERE state = 'SET_ASIDE';

-- What a transform worker must know of the streams of a run, so that the source is asked by extract alone.
CREATE TABLE run_streams (
    run_id bigint PRIMARY KEY REFERENCES job_runs (id) ON DELETE CASCADE,
    streams jsonb NOT NULL
);

-- A page becomes a batch, in one round trip: LEASED to the worker that carries it on, if it may and its lane is at its
-- head or behind the worker's own batches; else WAITING for its stage. In a lane that has ended it is DISCARDED. Losses
-- of the run are over. Returns nothing when the worker does not hold the run, the batch is there already, or the one before
-- it is not. The run is
-- locked in a statement of its own: what follows must see a batch that was set aside meanwhile.
CREATE FUNCTION store_batch(
    of_run bigint, number integer, in_lane text, under_lease bigint, by_worker bigint, may_carry boolean,
    stored_bytes bigint, first_counts jsonb, with_fragments jsonb, in_format smallint, with_payload bytea, with_streams jsonb
) RETURNS TABLE (seq integer, lease bigint, stored_at timestamptz, state text) LANGUAGE plpgsql AS $$
DECLARE
    begins_as text;
BEGIN
    PERFORM r.id FROM job_runs AS r
    WHERE r.id = of_run AND r.lease = under_lease AND r.worker_id = by_worker AND r.state = 'RUNNING'
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    -- A server that lost its last commits lost the batches before this one: nothing is stored behind a gap.
    IF number > 1 AND NOT EXISTS (
        SELECT FROM run_batches AS b WHERE b.run_id = of_run AND b.seq = number - 1
    ) THEN
        RETURN;
    END IF;
    begins_as := CASE
        WHEN EXISTS (
            SELECT FROM run_batches AS b WHERE b.run_id = of_run AND b.lane = in_lane AND b.state = 'SET_ASIDE'
        ) THEN 'DISCARDED'
        WHEN may_carry AND NOT EXISTS (
            SELECT FROM run_batches AS b
            WHERE b.run_id = of_run AND b.lane = in_lane AND b.state IN ('WAITING', 'LEASED')
                AND (b.state = 'WAITING' OR b.worker_id <> by_worker OR b.in_hand_since IS NOT NULL)
        ) THEN 'LEASED'
        ELSE 'WAITING'
    END;
    RETURN QUERY
        INSERT INTO run_batches AS b
            (run_id, seq, lane, stage, state, lease, worker_id, bytes, counts, fragments, format)
        VALUES (
            of_run, number, in_lane, 'transform', begins_as, 1, CASE WHEN begins_as = 'LEASED' THEN by_worker END,
            stored_bytes, first_counts, with_fragments, in_format
        )
        ON CONFLICT ON CONSTRAINT run_batches_pkey DO NOTHING
        RETURNING b.seq, b.lease, b.stored_at, b.state;
    IF NOT FOUND THEN
        RETURN;
    END IF;
    IF begins_as <> 'DISCARDED' THEN
        INSERT INTO batch_payloads (run_id, seq, payload) VALUES (of_run, number, with_payload);
    END IF;
    UPDATE job_runs AS r SET losses = 0 WHERE r.id = of_run AND r.losses > 0;
    IF with_streams IS NOT NULL THEN -- with the first batch of a holder
        INSERT INTO run_streams (run_id, streams) VALUES (of_run, with_streams)
        ON CONFLICT (run_id) DO UPDATE SET streams = excluded.streams;
    END IF;
END
$$;

-- How far the stages of a run are, for people: added to once a second by whoever works on it, off the hot path. What
-- holds is counted from its batches; what a killed worker had not yet added is missing here, and nowhere else.
CREATE TABLE run_progress (
    run_id bigint NOT NULL REFERENCES job_runs (id) ON DELETE CASCADE,
    stream text NOT NULL,
    stage text NOT NULL,
    rows bigint NOT NULL,
    bytes bigint NOT NULL,
    began_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, stream, stage)
) WITH (fillfactor = 60);

-- Partitions that could not be read: a retry does only those, while the last run that walked all is young enough.
ALTER TABLE job_runs
    ADD COLUMN is_partial boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN job_runs.is_partial IS 'It reads only what failed in the run before.';

CREATE TABLE failed_partitions (
    run_id bigint NOT NULL REFERENCES job_runs (id) ON DELETE CASCADE,
    stream text NOT NULL,
    partition text NOT NULL,
    error_kind text NOT NULL,
    error_message text NOT NULL,
    failed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run_id, stream, partition)
);

-- As in 0008, and a value that is edited by hand keeps the schema version of the form in which it was shown.
CREATE OR REPLACE FUNCTION take_over_checkpoint_edit() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    unreadable text;
    versions jsonb;
BEGIN
    IF current_setting('etl.checkpoint_writer', true) = 'on' THEN
        RETURN NULL;
    END IF;
    IF NEW.status = 'RUNNING' THEN
        RAISE EXCEPTION 'job % is RUNNING: its checkpoint is not edited now; cancel it or wait', NEW.id
            USING ERRCODE = 'object_in_use';
    END IF;

    IF NEW.checkpoint_data IS NOT NULL AND jsonb_typeof(NEW.checkpoint_data) <> 'object' THEN
        unreadable := 'it is not a JSON object';
    ELSIF NEW.checkpoint_data ? 'streams' THEN
        SELECT format('streams.%s is not {partition: {bookmark, resume}}', s.key) INTO unreadable
        FROM jsonb_each(
            CASE jsonb_typeof(NEW.checkpoint_data -> 'streams')
                WHEN 'object' THEN NEW.checkpoint_data -> 'streams'
                ELSE '{"?": 0}'
            END
        ) AS s
        WHERE jsonb_typeof(s.value) <> 'object'
           OR EXISTS (
               SELECT
               FROM jsonb_each(CASE jsonb_typeof(s.value) WHEN 'object' THEN s.value ELSE '{}' END) AS p
               WHERE jsonb_typeof(p.value) <> 'object'
                  OR (CASE jsonb_typeof(p.value) WHEN 'object' THEN p.value - 'bookmark' - 'resume' END) <> '{}'
           )
        LIMIT 1;
    END IF;
    IF unreadable IS NOT NULL THEN
        RAISE EXCEPTION 'job %: this checkpoint cannot be read: %', NEW.id, unreadable
            USING ERRCODE = 'invalid_parameter_value';
    END IF;

    SELECT jsonb_object_agg(s.stream, s.partitions) INTO versions
    FROM (
        SELECT c.stream, jsonb_object_agg(c.partition, c.schema_version) AS partitions
        FROM job_checkpoints AS c WHERE c.job_id = NEW.id GROUP BY c.stream
    ) AS s;
    DELETE FROM job_checkpoints WHERE job_id = NEW.id;
    IF NEW.checkpoint_data ? 'streams' OR NEW.checkpoint_data IS NULL THEN
        INSERT INTO job_checkpoints (job_id, stream, partition, bookmark, resume, schema_version)
        SELECT NEW.id, s.key, p.key, nullif(p.value -> 'bookmark', 'null'), nullif(p.value -> 'resume', 'null'),
            coalesce((versions -> s.key ->> p.key)::integer, 1)
        FROM jsonb_each(coalesce(NEW.checkpoint_data -> 'streams', '{}')) AS s
        CROSS JOIN LATERAL jsonb_each(s.value) AS p;
    END IF;

    IF NEW.checkpoint_data IS NULL OR NEW.checkpoint_data ? 'streams' THEN
        PERFORM cut_checkpoint(NEW.id, 'sql', current_user::text, NULL, NULL, OLD.checkpoint_data);
    ELSE
        INSERT INTO job_checkpoint_history (job_id, version, source, actor, changes)
        VALUES (
            NEW.id, OLD.checkpoint_version + 1, 'sql', current_user,
            jsonb_build_array(jsonb_build_object('document', NEW.checkpoint_data))
        );
        UPDATE etl_jobs SET checkpoint_version = OLD.checkpoint_version + 1 WHERE id = NEW.id;
    END IF;
    RETURN NULL;
END
$$;

-- What became of a run's batches, and the sums of their rows. Counted by who holds the run, in a statement of its own
-- after the lock.
CREATE FUNCTION tally_batches(of_run bigint) RETURNS TABLE (
    unloaded bigint, set_aside_seq integer, set_aside_error text, set_aside_attempts integer, batches bigint,
    stored bigint, bytes bigint, rows_extracted bigint, rows_new bigint, rows_changed bigint, rows_unchanged bigint,
    rows_deleted bigint, rows_rejected bigint, values_left_out bigint, failed_partitions bigint
) LANGUAGE sql STABLE AS $$
    SELECT
        count(*) FILTER (WHERE b.state IN ('WAITING', 'LEASED')),
        (array_agg(b.seq ORDER BY b.seq) FILTER (WHERE b.state = 'SET_ASIDE'))[1],
        (array_agg(b.error ORDER BY b.seq) FILTER (WHERE b.state = 'SET_ASIDE'))[1],
        (array_agg(b.attempts ORDER BY b.seq) FILTER (WHERE b.state = 'SET_ASIDE'))[1],
        count(*) FILTER (WHERE b.state = 'LOADED'),
        count(*),
        coalesce(sum(b.bytes), 0)::bigint,
        coalesce(sum((b.counts ->> 'rows_extracted')::bigint), 0)::bigint,
        coalesce(sum((b.counts ->> 'rows_new')::bigint), 0)::bigint,
        coalesce(sum((b.counts ->> 'rows_changed')::bigint), 0)::bigint,
        coalesce(sum((b.counts ->> 'rows_unchanged')::bigint), 0)::bigint,
        coalesce(sum((b.counts ->> 'rows_deleted')::bigint), 0)::bigint,
        coalesce(sum((b.counts ->> 'rows_rejected')::bigint), 0)::bigint,
        coalesce(sum((b.counts ->> 'values_left_out')::bigint), 0)::bigint,
        (SELECT count(*) FROM failed_partitions AS f WHERE f.run_id = of_run)
    FROM run_batches AS b
    WHERE b.run_id = of_run
$$;

-- FINISHED or FAILED. retry_count counts failures in a row; success clears a hold. So many failures in a row as
-- max_failures switch the job off.
CREATE FUNCTION finish_job(
    of_job integer, succeeded boolean, with_kind text, with_message text, hold text
) RETURNS TABLE (active boolean, off_reason text) LANGUAGE sql AS $$
    UPDATE etl_jobs AS j
    SET active = j.active AND (succeeded OR j.retry_count + 1 < j.max_failures),
        off_by = CASE
            WHEN j.active AND NOT succeeded AND j.retry_count + 1 >= j.max_failures THEN 'etl-tui' ELSE j.off_by
        END,
        off_reason = CASE
            WHEN j.active AND NOT succeeded AND j.retry_count + 1 >= j.max_failures
                THEN format('%s failures in a row: %s', j.retry_count + 1, with_message)
            ELSE j.off_reason
        END,
        status = CASE WHEN succeeded THEN 'FINISHED' ELSE 'FAILED' END,
        last_run_finished_at = now(),
        last_success_at = CASE WHEN succeeded THEN now() ELSE j.last_success_at END,
        error_kind = with_kind,
        error_message = with_message,
        retry_count = CASE WHEN succeeded THEN 0 ELSE j.retry_count + 1 END,
        held = CASE WHEN succeeded THEN false ELSE j.held OR hold IS NOT NULL END,
        hold_reason = CASE WHEN succeeded THEN NULL ELSE coalesce(hold, j.hold_reason) END,
        held_by = CASE WHEN succeeded THEN NULL WHEN hold IS NULL THEN j.held_by ELSE 'etl-tui' END,
        held_until = CASE WHEN succeeded OR hold IS NOT NULL THEN NULL ELSE j.held_until END
    WHERE j.id = of_job
    RETURNING j.active, j.off_reason
$$;

-- The end of a run and what its job shows of it; its holder is fenced. The caller holds both rows. What was not loaded
-- is not needed any more: the next run reads it again from the checkpoint.
CREATE FUNCTION end_run(
    of_run bigint, of_job integer, with_state text, with_counters jsonb, with_kind text, with_message text, hold text,
    by_actor text, document_before jsonb
) RETURNS TABLE (active boolean, off_reason text) LANGUAGE plpgsql AS $$
BEGIN
    UPDATE job_runs AS r
    SET state = with_state, finished_at = now(), lease = r.lease + 1, wait_reason = NULL, extract_done = true,
        counters = with_counters, error_kind = with_kind, error_message = with_message
    WHERE r.id = of_run;
    IF (with_counters ->> 'batches')::bigint > 0 OR with_state <> 'SUCCEEDED' THEN
        DELETE FROM batch_payloads AS p WHERE p.run_id = of_run;
        PERFORM cut_checkpoint(of_job, 'run', by_actor, NULL, of_run, document_before);
    END IF;
    RETURN QUERY SELECT f.active, f.off_reason
        FROM finish_job(of_job, with_state = 'SUCCEEDED', with_kind, with_message, hold) AS f;
END
$$;

-- Ends a run of which there is nothing to decide, by its holder: extract went through, everything is loaded, nothing
-- was refused. 'ended'; 'fenced': the run is not this worker's under this lease; 'undecided': nothing was written.
CREATE FUNCTION end_clean_run(of_run bigint, under_lease bigint, by_worker bigint) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    job record;
    run record;
    tally record;
BEGIN
    SELECT j.id, j.checkpoint_data INTO job
    FROM etl_jobs AS j
    WHERE j.id = (SELECT r.job_id FROM job_runs AS r WHERE r.id = of_run)
    FOR NO KEY UPDATE;
    SELECT r.error_kind INTO run
    FROM job_runs AS r
    WHERE r.id = of_run AND r.lease = under_lease AND r.worker_id = by_worker AND r.state = 'RUNNING'
    FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        RETURN 'fenced';
    END IF;
    -- Only now: another worker may just have loaded the last batch (m).
    SELECT * INTO tally FROM tally_batches(of_run);
    IF run.error_kind IS NOT NULL OR tally.unloaded > 0 OR tally.set_aside_seq IS NOT NULL OR tally.rows_rejected > 0
        OR tally.failed_partitions > 0
    THEN
        RETURN 'undecided';
    END IF;
    PERFORM end_run(
        of_run, job.id, 'SUCCEEDED', to_jsonb(tally) - ARRAY['unloaded', 'set_aside_seq', 'set_aside_error',
        'set_aside_attempts', 'stored', 'failed_partitions'], NULL, NULL, NULL, format('worker %s', by_worker), job.checkpoint_data
    );
    RETURN 'ended';
END
$$;

-- Claims.
-- What bars a place is found here from its causes, once a statement, however many runs or jobs are looked at: a claim
-- asks for thousands, and place_obstacle costs 0.15 ms each. That one tells people why, in words; a test holds that both
-- bar the same. A pause of all and the limit of all are not in these rows: `ready_runs` and claims look at them apart.
CREATE INDEX integrations_bound ON integrations (id) WHERE ready_at IS NOT NULL OR max_runs IS NOT NULL;
-- By an expression, for no other index can stand in for these then: with plain due_at the planner may take
-- etl_jobs_next_due and read all that is due for each tenant that has nothing due.
CREATE INDEX etl_jobs_due_of_tenant ON etl_jobs (tenant_id, (due_at AT TIME ZONE 'UTC')) WHERE due_at IS NOT NULL;
CREATE INDEX etl_jobs_due_of_integration ON etl_jobs (integration_id, (due_at AT TIME ZONE 'UTC'))
    WHERE due_at IS NOT NULL;

CREATE VIEW place_bars AS
SELECT i.id AS integration_id, 'paused' AS kind
FROM pauses AS p
INNER JOIN integrations AS i
    ON p.tenant_id = i.tenant_id AND (p.integration_id IS NULL OR p.integration_id = i.id)
UNION ALL
SELECT i.id, 'limited' FROM integrations AS i
WHERE (i.ready_at IS NOT NULL OR i.max_runs IS NOT NULL) AND i.ready_at > now()
UNION ALL
SELECT i.id, 'busy'
FROM job_runs AS r
INNER JOIN etl_jobs AS j ON r.job_id = j.id
INNER JOIN integrations AS i ON j.integration_id = i.id
WHERE r.state = 'RUNNING' AND i.max_runs IS NOT NULL
GROUP BY i.id
HAVING count(*) >= i.max_runs
UNION ALL
SELECT i.id, 'busy'
FROM (
    SELECT t.id
    FROM job_runs AS r INNER JOIN tenants AS t ON r.tenant_id = t.id
    WHERE r.state = 'RUNNING' AND t.max_runs IS NOT NULL
    GROUP BY t.id
    HAVING count(*) >= t.max_runs
) AS busy
INNER JOIN integrations AS i ON busy.id = i.tenant_id;
COMMENT ON VIEW place_bars IS 'Integrations on which nothing would start now, with the kind of each obstacle.';

CREATE VIEW blackouts AS
SELECT i.id AS integration_id, NULL::integer AS job_id
FROM (SELECT * FROM blackout_windows AS w WHERE w.job_id IS NULL AND window_end(w, now()) IS NOT NULL) AS w
INNER JOIN integrations AS i
    ON w.tenant_id = i.tenant_id AND (w.integration_id IS NULL OR w.integration_id = i.id)
UNION ALL
SELECT NULL, w.job_id FROM blackout_windows AS w WHERE w.job_id IS NOT NULL AND window_end(w, now()) IS NOT NULL;
COMMENT ON VIEW blackouts IS 'Integrations and jobs whose window holds now: it bars the schedule, no person.';

CREATE VIEW ready_runs AS
SELECT
    r.id, r.job_id, r.tenant_id, j.integration_id, r.by_schedule, r.ready_at,
    CASE
        WHEN EXISTS (SELECT FROM pauses AS p WHERE p.tenant_id IS NULL) THEN 'closed'
        WHEN j.integration_id IN (SELECT b.integration_id FROM place_bars AS b WHERE b.kind <> 'busy') THEN 'closed'
        WHEN r.by_schedule AND (
            j.integration_id IN (SELECT b.integration_id FROM blackouts AS b WHERE b.integration_id IS NOT NULL)
            OR j.id IN (SELECT b.job_id FROM blackouts AS b WHERE b.job_id IS NOT NULL)
        ) THEN 'closed'
        WHEN j.integration_id IN (SELECT b.integration_id FROM place_bars AS b WHERE b.kind = 'busy') THEN 'busy'
        WHEN (
            SELECT CASE
                WHEN l.max_runs IS NOT NULL THEN l.max_runs <= (SELECT count(*) FROM job_runs AS o WHERE o.state = 'RUNNING')
            END
            FROM dispatch_limits AS l
        ) THEN 'busy'
        ELSE 'none'
    END AS bar
-- Two things keep the plan of a claim, which wants the first few of them, when statistics know of none (30 ms a claim
-- otherwise, measured): OFFSET 0, so that they are put in order before anything is joined to them; and LEFT although every
-- run has its job, or the planner counts the sets above anew for each run and rather reads all jobs.
FROM (
    SELECT q.id, q.job_id, q.tenant_id, q.trigger <> 'manual' AS by_schedule, q.ready_at
    FROM job_runs AS q
    WHERE q.state = 'QUEUED' AND q.ready_at <= now()
    ORDER BY (q.trigger <> 'manual'), q.ready_at, q.id
    OFFSET 0
) AS r
LEFT JOIN etl_jobs AS j ON r.job_id = j.id;
COMMENT ON VIEW ready_runs IS 'Queued runs whose time has come, those that are taken first before the others.';
COMMENT ON COLUMN ready_runs.bar IS
    'none: it waits for a worker alone; closed: it is paused, blacked out or limited by the source; busy: by our limits.';
