-- programs: >=0.1
-- What a credential may still ask of its source, shared by all runs of all workers.

CREATE TABLE credential_budgets (
    credential bytea NOT NULL,
    resource text NOT NULL,
    capacity integer NOT NULL CHECK (capacity > 0),
    seen_limit integer CHECK (seen_limit >= 0),
    per interval NOT NULL CHECK (per > interval '0'),
    window_no bigint NOT NULL DEFAULT 1,
    ends_at timestamptz NOT NULL,
    is_observed boolean NOT NULL DEFAULT false,
    remaining integer NOT NULL,
    reserved integer NOT NULL DEFAULT 0,
    reserved_at timestamptz,
    parked_until timestamptz,
    PRIMARY KEY (credential, resource)
) WITH (fillfactor = 60);
COMMENT ON TABLE credential_budgets IS
    'A window of a source''s rate limit: so much is left of it for all that use the credential.';
COMMENT ON COLUMN credential_budgets.credential IS 'A slow, salted hash (workers/budget.py); never the credential.';
COMMENT ON COLUMN credential_budgets.capacity IS 'What the connector declares for a window; seen_limit is the source''s word.';
COMMENT ON COLUMN credential_budgets.is_observed IS 'Whether the source said when the window ends; else it is assumed.';
COMMENT ON COLUMN credential_budgets.remaining IS 'Neither spent nor in a worker''s hands.';
COMMENT ON COLUMN credential_budgets.reserved IS 'In workers'' hands and not reported; what a killed one held stays here.';

-- One turn of a worker at a budget: it tells what it spent and gives back of its last reservation (which was of
-- window `of_window`), what the source said, that the source wants rest; and takes `at_least` to `at_most`, or nothing.
-- A reservation is used for 2 s at most. What the source says only ever lowers what is left of a window; only
-- an answer that belongs to a later window begins one.
CREATE FUNCTION take_budget_turn(
    of_credential bytea, of_resource text, declared integer, window_length interval,
    of_window bigint, spent integer, given_back integer,
    seen_remaining integer, limit_seen integer, seen_resets_in interval,
    rest interval, at_least integer, at_most integer
) RETURNS TABLE (granted integer, in_window bigint, seconds_left double precision, wait double precision)
LANGUAGE plpgsql AS $$
DECLARE
    b credential_budgets;
    clock timestamptz;
    whole integer;
    seen_end timestamptz;
BEGIN
    LOOP
        SELECT * INTO b
        FROM credential_budgets AS c
        WHERE c.credential = of_credential AND c.resource = of_resource
        FOR NO KEY UPDATE;
        EXIT WHEN FOUND;
        INSERT INTO credential_budgets (credential, resource, capacity, per, ends_at, remaining)
        VALUES (of_credential, of_resource, declared, window_length, clock_timestamp() + window_length, declared)
        ON CONFLICT DO NOTHING;
    END LOOP;
    clock := clock_timestamp(); -- not now(): the lock was waited for
    b.seen_limit := coalesce(limit_seen, b.seen_limit);
    whole := least(declared, b.seen_limit);

    IF clock >= b.ends_at THEN
        b.window_no := b.window_no + 1;
        b.ends_at := clock + window_length;
        b.is_observed := false;
        -- What is still in workers' hands may be spent in this window.
        b.remaining := whole - CASE WHEN b.reserved_at > clock - interval '3 s' THEN b.reserved ELSE 0 END;
        b.reserved := 0;
    ELSE
        IF of_window = b.window_no THEN
            b.reserved := greatest(b.reserved - spent - given_back, 0);
            b.remaining := b.remaining + given_back;
        END IF;
        IF NOT b.is_observed THEN -- declared anew
            b.ends_at := least(b.ends_at, clock + window_length);
        END IF;
    END IF;
    b.remaining := least(b.remaining, whole);

    IF seen_remaining IS NOT NULL AND seen_resets_in > interval '0' THEN
        seen_end := clock + seen_resets_in;
        IF b.is_observed AND seen_end > b.ends_at + greatest(window_length / 2, interval '5 s') THEN
            b.window_no := b.window_no + 1;
            b.ends_at := seen_end;
            b.remaining := least(whole, seen_remaining - b.reserved);
            b.reserved := 0;
        ELSIF NOT b.is_observed OR seen_end >= b.ends_at - least(window_length / 4, interval '5 s') THEN
            b.remaining := least(b.remaining, seen_remaining - b.reserved);
            IF NOT b.is_observed THEN
                b.ends_at := seen_end;
                b.is_observed := true;
            END IF;
        END IF; -- else it is of an older window
    END IF;
    b.parked_until := greatest(b.parked_until, clock + rest);

    granted := 0;
    wait := 0;
    IF at_least > 0 THEN
        IF b.parked_until > clock THEN
            wait := extract(EPOCH FROM b.parked_until - clock);
        ELSIF b.remaining >= at_least THEN
            granted := least(at_most, greatest(at_least, b.remaining / 8));
            b.remaining := b.remaining - granted;
            b.reserved := b.reserved + granted;
            b.reserved_at := clock;
        ELSE
            wait := extract(EPOCH FROM b.ends_at - clock);
            IF b.reserved > 0 AND b.reserved_at > clock - interval '3 s' THEN
                wait := least(wait, 1); -- some of it may come back
            END IF;
        END IF;
    END IF;
    UPDATE credential_budgets AS c
    SET capacity = declared, per = window_length, seen_limit = b.seen_limit, window_no = b.window_no,
        ends_at = b.ends_at, is_observed = b.is_observed, remaining = b.remaining, reserved = b.reserved,
        reserved_at = b.reserved_at, parked_until = b.parked_until
    WHERE c.credential = of_credential AND c.resource = of_resource;
    in_window := b.window_no;
    seconds_left := extract(EPOCH FROM b.ends_at - clock);
    RETURN NEXT;
END
$$;
