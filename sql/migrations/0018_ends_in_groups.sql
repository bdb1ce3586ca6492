-- programs: >=0.1
-- Runs that end at the same time end in one transaction: of a run that finds nothing, its end is most of the work.

-- Claims go by the indexes of 0012 instead: none reads this one any more, and each end of a run wrote into it.
DROP INDEX etl_jobs_due;

CREATE FUNCTION finish_jobs(
    of_jobs integer [], succeeded boolean, with_kind text, with_message text, hold text
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
    WHERE j.id = ANY(of_jobs)
    RETURNING j.active, j.off_reason
$$;

CREATE OR REPLACE FUNCTION finish_job(
    of_job integer, succeeded boolean, with_kind text, with_message text, hold text
) RETURNS TABLE (active boolean, off_reason text) LANGUAGE sql AS $$
    SELECT * FROM finish_jobs(ARRAY[of_job], succeeded, with_kind, with_message, hold)
$$;

-- Ends what `end_clean_run` would end, all in one transaction, by one holder. What each is answered is as there, and
-- 'busy': somebody has its job's row in hand, and one run's wait must not become that of its neighbours.
-- The runs are locked in a statement of their own, in order; only then is looked at what they left (m). Plans are made
-- once: that a group is small is all that a planner could find out, and it took as long as the work (measured).
CREATE FUNCTION end_clean_runs(of_runs bigint [], under_leases bigint [], by_worker bigint)
RETURNS TABLE (run_id bigint, answer text) LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
    free_jobs integer [];
    held bigint [];
    empty bigint [];
BEGIN
    free_jobs := ARRAY(
        SELECT j.id FROM etl_jobs AS j
        WHERE j.id = ANY(ARRAY(SELECT r.job_id FROM job_runs AS r WHERE r.id = ANY(of_runs)))
        ORDER BY j.id
        FOR NO KEY UPDATE SKIP LOCKED
    );
    held := ARRAY(
        SELECT r.id FROM job_runs AS r
        INNER JOIN unnest(of_runs, under_leases) AS w (id, lease) ON r.id = w.id AND r.lease = w.lease
        WHERE r.worker_id = by_worker AND r.state = 'RUNNING' AND r.job_id = ANY(free_jobs)
        ORDER BY r.id
        FOR NO KEY UPDATE OF r
    );
    empty := ARRAY(
        SELECT r.id FROM job_runs AS r
        WHERE r.id = ANY(held) AND r.error_kind IS NULL
            AND NOT EXISTS (SELECT FROM run_batches AS b WHERE b.run_id = r.id)
            AND NOT EXISTS (SELECT FROM failed_partitions AS f WHERE f.run_id = r.id)
    );
    -- Nothing was read: there are no counts to sum up, no payloads to drop, and the checkpoint stands where it stood.
    UPDATE job_runs AS r
    SET state = 'SUCCEEDED', finished_at = now(), lease = r.lease + 1, wait_reason = NULL, extract_done = true,
        counters = (
            SELECT to_jsonb(t) - ARRAY[
                'unloaded', 'set_aside_seq', 'set_aside_error', 'set_aside_attempts', 'stored', 'failed_partitions'
            ]
            FROM tally_batches(0) AS t
        ),
        error_kind = NULL, error_message = NULL
    WHERE r.id = ANY(empty);
    PERFORM finish_jobs(
        ARRAY(SELECT r.job_id FROM job_runs AS r WHERE r.id = ANY(empty)), true, NULL, NULL, NULL
    );
    RETURN QUERY
        SELECT w.id, CASE
            WHEN w.id = ANY(empty) THEN 'ended'
            WHEN w.id = ANY(held) THEN end_clean_run(w.id, w.lease, by_worker)
            WHEN r.job_id = ANY(free_jobs) OR r.id IS NULL THEN 'fenced'
            ELSE 'busy'
        END
        FROM unnest(of_runs, under_leases) AS w (id, lease)
        LEFT JOIN job_runs AS r ON w.id = r.id;
END
$$;

-- What a load asks first. A function, so that it is planned once: planning took longer than the rest (measured).
-- Its answer is described in sql/queries/loader.sql. The schema is looked up first, not joined: many jobs have a table of
-- the same name, and the planner would compare each of them with every schema (5 ms at 300 jobs, measured).
CREATE FUNCTION loading_state(of_job integer) RETURNS TABLE (
    job_name text, tenant text, schema_mode text, destination text, has_checkpoint boolean, tables text
) LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan AS $$
BEGIN
    RETURN QUERY
        SELECT
            j.job_name::text,
            t.name::text,
            coalesce(i.schema_mode, 'evolve')::text,
            i.destination_url::text,
            EXISTS (
                SELECT FROM job_checkpoints AS c
                WHERE c.job_id = j.id AND (c.bookmark IS NOT NULL OR c.resume IS NOT NULL)
            ),
            (
                SELECT
                    coalesce(
                        json_agg(
                            json_build_object(
                                'schema', d.schema_name, 'table', d.table_name, 'stream', d.stream,
                                'key', d.key, 'columns', d.columns,
                                'shape', (
                                    SELECT
                                        json_build_object(
                                            'columns', (
                                                SELECT coalesce(json_object_agg(a.attname, format_type(a.atttypid, a.atttypmod)), '{}')
                                                FROM pg_attribute AS a
                                                WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                                            ),
                                            'primary_key', ARRAY(
                                                SELECT a.attname::text
                                                FROM pg_index AS i
                                                CROSS JOIN unnest(i.indkey::smallint []) WITH ORDINALITY AS k (attnum, place)
                                                INNER JOIN pg_attribute AS a ON i.indrelid = a.attrelid AND k.attnum = a.attnum
                                                WHERE i.indrelid = c.oid AND i.indisprimary
                                                ORDER BY k.place
                                            )
                                        )
                                    FROM pg_class AS c
                                    WHERE c.relname = d.table_name
                                        AND c.relnamespace = (
                                            SELECT n.oid FROM pg_namespace AS n WHERE n.nspname = d.schema_name
                                        )
                                )
                            )
                            ORDER BY d.stream
                        ),
                        '[]'
                    )::text
                FROM destination_tables AS d
                WHERE d.job_id = j.id
            )
        FROM etl_jobs AS j
        INNER JOIN tenants AS t ON j.tenant_id = t.id
        LEFT JOIN integrations AS i ON j.integration_id = i.id
        WHERE j.id = of_job;
END
$$;
