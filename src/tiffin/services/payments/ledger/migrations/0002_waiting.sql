-- What the bank has not paid yet: few, of all that have ever been made.
CREATE INDEX settlements_waiting ON ledger.settlements (made_at, id) WHERE paid_at IS NULL;
