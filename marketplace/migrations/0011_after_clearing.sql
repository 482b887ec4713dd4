-- After clearing: answers to site surveys, single purchases with a state, pledges that fell through, frozen site work.

-- A quote above the cap waits for the buyer's word; until due_at the round is not ordered without it.
ALTER TABLE survey_quotes
    ADD COLUMN due_at timestamptz NOT NULL DEFAULT clock_timestamp() + interval '7 days',
    ADD COLUMN answer text CHECK (answer IN ('accepted', 'left')),
    ADD COLUMN answered_by bigint REFERENCES people,
    ADD COLUMN answered_at timestamptz,
    ADD CONSTRAINT survey_quotes_answers_have_a_time CHECK ((answer IS NULL) = (answered_at IS NULL));
GRANT UPDATE (answer, answered_by, answered_at) ON survey_quotes TO marketplace_app;

-- What installation includes and excludes is a term like any other: frozen when the round is made.
ALTER TABLE rounds
    ADD COLUMN installation_includes text[] NOT NULL DEFAULT '{}',
    ADD COLUMN installation_excludes text[] NOT NULL DEFAULT '{}';
UPDATE rounds r SET installation_includes = o.installation_includes, installation_excludes = o.installation_excludes
FROM offers o WHERE o.id = r.offer_id;

-- A pledge is live in one round at a time: one that fell through never comes back to the round it left.
ALTER TABLE pledges ADD COLUMN fell_from_id uuid;
COMMENT ON COLUMN pledges.fell_from_id IS 'The pledge of an earlier round that won nothing there and fell through to here';
CREATE UNIQUE INDEX pledges_fall_through_once ON pledges (fell_from_id) WHERE fell_from_id IS NOT NULL;

-- A single purchase at the frozen price waits for the vendor; a canceled one leaves room for another.
ALTER TABLE single_purchases
    ADD COLUMN state text NOT NULL DEFAULT 'placed'
        CONSTRAINT single_purchases_state_is_known CHECK (state IN ('placed', 'confirmed', 'canceled')),
    ADD COLUMN decided_by bigint REFERENCES people,
    ADD COLUMN decided_at timestamptz,
    ADD CONSTRAINT single_purchases_decided_have_a_time CHECK ((state <> 'placed') = (decided_at IS NOT NULL)),
    DROP CONSTRAINT single_purchases_are_one_per_buyer;
CREATE UNIQUE INDEX single_purchases_are_one_live_per_buyer ON single_purchases (round_id, buyer_id)
    WHERE state <> 'canceled';
GRANT UPDATE (state, decided_by, decided_at) ON single_purchases TO marketplace_app;

CREATE INDEX demands_open_by_category ON demands (category) WHERE state = 'open';
