-- The postgres transport: NOTIFY wakes, the rows are the queue.

-- name: notify(channel, payload)$
-- Wakes whoever listens on the channel, when the transaction commits. Equal payloads of one
-- transaction arrive once; nobody listening is no error. One call per ring: a commit with a
-- pending notification takes a server-wide lock.
SELECT pg_notify(:channel, :payload);

-- name: alive()$
-- Answers 1: finds out that a silent connection is dead before anybody needs it.
SELECT 1;
