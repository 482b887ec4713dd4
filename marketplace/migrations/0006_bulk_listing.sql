-- Staged imports, remembered header choices, images.
SELECT 1;
