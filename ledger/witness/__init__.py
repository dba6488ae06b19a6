"""A witness after C2SP tlog-witness: it cosigns the heads of logs that only ever grow."""
