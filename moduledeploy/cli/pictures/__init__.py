"""Pure: from what was read to what is shown: rollouts, forecasts, tables, documents. No I/O, no clock."""
