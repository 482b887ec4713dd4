-- `marketplace check` and papers ask for the charges of an allocation: without this, the more charges the slower each.
CREATE INDEX charges_by_allocation ON charges (allocation_id) WHERE allocation_id IS NOT NULL;
