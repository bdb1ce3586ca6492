-- What a credential may still ask of its source (credential_budgets).

-- name: budget_salt()$
-- What this installation hashes credentials with, so that two installations share no hash.
SELECT i.id::text FROM installation AS i;

-- name: take_budget_turn(credential, resource, capacity, per, of_window, spent, given_back, seen, seen_limit, resets_in, rest, at_least, at_most)^
-- Tells what was spent and seen, and reserves at_least to at_most units, or says how long to wait.
SELECT t.granted, t.in_window, t.seconds_left, t.wait
FROM take_budget_turn(
    :credential, :resource, :capacity, :per, :of_window, :spent, :given_back,
    :seen, :seen_limit, :resets_in, :rest, :at_least, :at_most
) AS t;
