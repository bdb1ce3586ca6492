-- As in 0021.
CREATE OR REPLACE FUNCTION cut_checkpoint(
    of_job integer, by_source text, by_actor text, because text, of_run bigint, before_document jsonb
) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    now_version integer := (SELECT checkpoint_version FROM etl_jobs WHERE id = of_job);
    streams constant jsonb := checkpoint_streams(of_job);
    was_legacy constant boolean := before_document IS NOT NULL AND NOT before_document ? 'streams';
    moved record;
    weight bigint;
    whole_now jsonb;
BEGIN
    IF streams IS NULL AND by_source = 'run' AND (before_document IS NULL OR was_legacy) THEN
        RETURN now_version;
    END IF;

    WITH
    old_rows AS (
        SELECT s.key AS stream, p.key AS partition, p.value AS state
        FROM jsonb_each(coalesce(before_document -> 'streams', '{}')) AS s
        CROSS JOIN LATERAL jsonb_each(s.value) AS p
    ),
    new_rows AS (
        SELECT s.key AS stream, p.key AS partition, p.value AS state
        FROM jsonb_each(coalesce(streams, '{}')) AS s
        CROSS JOIN LATERAL jsonb_each(s.value) AS p
    ),
    differing AS (
        SELECT stream, partition, o.state IS NULL AS is_new, n.state IS NULL AS is_gone, n.state
        FROM old_rows AS o FULL JOIN new_rows AS n USING (stream, partition)
        WHERE o.state IS DISTINCT FROM n.state
    )
    SELECT
        jsonb_agg(
            jsonb_build_object('stream', stream, 'partition', partition)
            || CASE WHEN is_gone THEN '{"gone": true}' ELSE state END
            ORDER BY stream, partition
        ) AS changes,
        count(*) FILTER (WHERE is_new) AS rows_new,
        count(*) FILTER (WHERE NOT is_new AND NOT is_gone) AS rows_changed,
        count(*) FILTER (WHERE is_gone) AS rows_gone,
        to_jsonb((array_agg(jsonb_build_array(stream, partition) ORDER BY stream, partition))[1:5]) AS touched
    INTO moved
    FROM differing;

    IF moved.changes IS NULL AND was_legacy THEN
        moved.changes := '[{"document": null}]';
        moved.rows_gone := 1;
        moved.touched := '[]';
    END IF;
    IF moved.changes IS NOT NULL THEN
        weight := pg_column_size(moved.changes) + coalesce((
            SELECT coalesce(h.bytes_behind, 1::bigint << 40) -- an older program did not count: whole at once
            FROM job_checkpoint_history AS h WHERE h.job_id = of_job ORDER BY h.version DESC LIMIT 1
        ), 0);
        IF weight > greatest(2 * coalesce(pg_column_size(streams), 0), 16384) THEN
            weight := 0;
            SELECT coalesce(
                jsonb_agg(
                    jsonb_build_object('stream', s.key, 'partition', p.key) || p.value ORDER BY s.key, p.key
                ), '[]'
            )
            INTO whole_now
            FROM jsonb_each(coalesce(streams, '{}')) AS s
            CROSS JOIN LATERAL jsonb_each(s.value) AS p;
        END IF;
        now_version := now_version + 1;
        INSERT INTO job_checkpoint_history (
            job_id, version, source, run_id, actor, reason, changes,
            rows_new, rows_changed, rows_gone, touched, bytes_behind, whole
        )
        VALUES (
            of_job, now_version, by_source, of_run, by_actor, because, moved.changes,
            moved.rows_new, moved.rows_changed, moved.rows_gone, moved.touched, weight, whole_now
        );
    END IF;

    -- Ours: the trigger takes every other write of the document over as an edit by hand.
    PERFORM set_config('etl.checkpoint_writer', 'on', true);
    UPDATE etl_jobs
    SET checkpoint_version = now_version,
        checkpoint_data = CASE
            WHEN streams IS NOT NULL THEN jsonb_build_object('version', now_version, 'streams', streams)
        END
    WHERE id = of_job;
    PERFORM set_config('etl.checkpoint_writer', 'off', true);
    RETURN now_version;
END
$$;
CREATE OR REPLACE FUNCTION checkpoint_streams(of_job integer) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_object_agg(stream, partitions ORDER BY stream)
    FROM (
        SELECT
            stream,
            jsonb_object_agg(
                partition,
                -- Not jsonb_strip_nulls: it would take the nulls out of the values, too.
                CASE WHEN bookmark IS NULL THEN '{}' ELSE jsonb_build_object('bookmark', bookmark) END
                || CASE WHEN resume IS NULL THEN '{}' ELSE jsonb_build_object('resume', resume) END
                || CASE
                    WHEN schema_version = 1 THEN '{}' ELSE jsonb_build_object('schema_version', schema_version)
                END
                ORDER BY partition
            ) AS partitions
        FROM job_checkpoints
        WHERE job_id = of_job
        GROUP BY stream
    ) AS by_stream
$$;
DROP FUNCTION checkpoint_state(job_checkpoints);
DROP FUNCTION checkpoint_text(integer);
