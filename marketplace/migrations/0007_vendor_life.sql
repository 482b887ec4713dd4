-- Onboarding, change requests, questions and answers.
SELECT 1;
