-- A legacy database at migration 4, with the odd rows that real ones have.

INSERT INTO tenants (id, name, active, created_at, last_updated_at) VALUES
    (1, 'acme', true, '2024-01-01 08:00', '2024-06-01 08:00'),
    (2, 'O''Brien & "Söhne"', true, '2024-02-01 08:00', NULL),
    (3, 'idle', false, NULL, NULL);
SELECT setval('tenants_id_seq', 3);

INSERT INTO integrations (id, name, type, logo_filename, base_url, tenant_id, active, created_at) VALUES
    (1, 'our github', 'GitHub', 'github.svg', 'https://api.github.com', 1, true, '2024-01-02 08:00'),
    (2, 'our jira', 'jira', NULL, NULL, 1, true, '2024-01-02 08:00'),
    (3, 'jira one', 'jira', NULL, NULL, 2, true, '2024-01-02 08:00'),
    (4, 'jira two', 'jira', NULL, NULL, 2, false, '2024-01-02 08:00'),
    (5, 'directory', 'ad', NULL, NULL, 2, true, '2024-01-02 08:00');
SELECT setval('integrations_id_seq', 5);

INSERT INTO system_settings (setting_key, setting_value, setting_type, tenant_id, created_at) VALUES
    ('orchestrator_interval_minutes', '60', 'integer', 1, '2024-01-03 08:00'),
    ('theme', 'it''s dark', 'string', 1, '2024-01-03 08:00'),
    ('orchestrator_enabled', 'true', 'boolean', 1, '2024-01-03 08:00'),
    ('orchestrator_retry_enabled', 'true', 'boolean', 1, '2024-01-03 08:00'),
    ('orchestrator_retry_interval_minutes', '15', 'integer', 1, '2024-01-03 08:00'),
    ('jira_sync_enabled', 'true', 'boolean', 1, '2024-01-03 08:00'),
    ('github_sync_enabled', NULL, 'boolean', 1, '2024-01-03 08:00'),
    ('max_concurrent_jobs', '1', 'integer', 1, '2024-01-03 08:00'),
    ('orchestrator_enabled', 'false', 'boolean', 2, '2024-01-03 08:00');

INSERT INTO vectorization_queue (table_name, external_id, entity_data, status, tenant_id, created_at) VALUES
    ('work_items', 'ACME-1', '{"title": "a \"quoted\" one"}', 'pending', 1, '2024-01-04 08:00'),
    ('prs', '17', NULL, 'failed', 2, '2024-01-04 08:00');

-- In the middle of a walk: every cursor is set, one repository is done. In lower case it is the same job.
INSERT INTO etl_jobs (
    id, job_name, execution_order, status, last_run_started_at, last_success_at, last_finished_at,
    retry_count, last_repo_sync_checkpoint, repo_processing_queue, last_pr_cursor, current_pr_node_id,
    last_commit_cursor, last_review_cursor, last_comment_cursor, last_review_thread_cursor,
    integration_id, tenant_id, created_at, last_updated_at
) VALUES (
    1, 'github', 2, 'PENDING', '2025-09-01 10:00', '2025-08-31 11:00', '2025-08-31 11:00:00.123456',
    3, '2025-08-31 10:59:59.5',
    '[{"repo_id": "7", "full_name": "octo/app", "finished": true},  '
    '{"repo_id": "8", "full_name": "octo/lib", "finished": false}, {"full_name": "octo/old", "finished": true}]',
    'Y3Vyc29yOjE=', 'PR_kw"1', 'c1', 'r1', '', 't1', 1, 1, '2024-01-05 08:00', '2025-09-01 10:05'
);
-- At work when the system was stopped, with the message of the time before.
INSERT INTO etl_jobs (
    id, job_name, execution_order, status, last_run_started_at, last_success_at, last_finished_at,
    error_message, retry_count, last_repo_sync_checkpoint, integration_id, tenant_id, created_at, last_updated_at
) VALUES (
    2, 'Jira', 1, 'RUNNING', '2025-09-01 12:00', '2025-08-30 11:00', '2025-08-31 11:00',
    'timeout', 2, '2025-08-30 10:00', 2, 1, '2024-01-05 08:00', '2025-09-01 12:00'
);
-- All cursors null, nulls wherever the table lets them stand, and a name with quotes.
INSERT INTO etl_jobs (
    id, job_name, execution_order, status, retry_count, tenant_id, created_at, last_updated_at
) VALUES (3, 'Nightly ''quoted'' "names"; DROP TABLE x', 3, 'NOT_STARTED', NULL, 1, NULL, NULL);
INSERT INTO etl_jobs (
    id, job_name, execution_order, status, last_run_started_at, last_success_at, last_finished_at,
    error_message, last_pr_cursor, repo_processing_queue, tenant_id, active, created_at, last_updated_at
) VALUES
    (4, 'Fabric', 4, 'PAUSED', '2025-07-01', '2025-07-02', '2025-07-02', NULL, NULL, NULL, 1, true,
        '2024-01-05', '2025-07-02'),
    (5, 'AD', 5, 'ERROR', '2025-07-01', '2025-06-30', NULL, 'no "token"', NULL, NULL, 1, true,
        '2024-01-05', '2025-07-01'),
    (6, 'done', 6, 'FINISHED', '2025-07-01', '2025-07-02', '2025-07-02', NULL, NULL,
        '[{"full_name": "octo/app", "finished": true}]', 1, true, '2024-01-05', '2025-07-02'),
    (7, 'strange', 7, ' Rate limited', '2025-07-01', NULL, NULL, 'wait', NULL, '[]', 1, true,
        '2024-01-05', '2025-07-01'),
    (8, 'unreadable', 8, 'FAILED', '2025-07-01', NULL, '2025-07-01', 'broken', 'c', 'not {json', 1, true,
        '2024-01-05', '2025-07-01'),
    (9, 'another shape', 9, 'READY', NULL, NULL, NULL, NULL, NULL, '{"repo": "\u0000"}', 1, true,
        '2024-01-05', '2025-07-01'),
    -- Made in an hour that Berlin's clocks skipped.
    (10, 'paused, off', 10, 'paused', NULL, NULL, NULL, NULL, NULL, NULL, 1, false,
        '2025-03-30 02:30', '2025-07-01'),
    -- Inserted by hand past the sequence, which does not know.
    (100, 'Jira', 1, 'FAILED', '2025-07-01', NULL, '2025-07-01', 'broken', NULL, NULL, 2, true,
        '2024-01-05', '2025-07-01');
SELECT setval('etl_jobs_id_seq', 10);
