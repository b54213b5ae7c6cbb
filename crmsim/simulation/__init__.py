"""The simulated customers: scenario, rules, month, policies, engine."""
