-- What each engine should hold: the version of every document that it has confirmed. The drift check compares
-- this with what the engine says it holds; the dirty set alone cannot tell, because it forgets what is done.

CREATE TABLE search_indexed (
    target  text NOT NULL REFERENCES search_targets ON DELETE CASCADE,
    kind    text NOT NULL CHECK (kind IN ('package_model', 'product', 'service_center', 'vendor')),
    doc_id  bigint NOT NULL,
    version bigint NOT NULL,
    PRIMARY KEY (target, kind, doc_id)
);
COMMENT ON TABLE search_indexed IS 'Acknowledged documents; version is the dirty row''s number as sent to the engine';
GRANT DELETE ON search_indexed TO marketplace_app;
