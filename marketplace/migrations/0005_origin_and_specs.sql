-- Origin rule results, challenges, spec completeness.
SELECT;
