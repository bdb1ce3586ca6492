-- Nothing is lost: a budget is learned anew from the source.
DROP FUNCTION take_budget_turn(
    bytea, text, integer, interval, bigint, integer, integer, integer, integer, interval, interval, integer, integer
);
DROP TABLE credential_budgets;
