-- Alternatives, type-specific facts, standards, codes.
SELECT 1;
