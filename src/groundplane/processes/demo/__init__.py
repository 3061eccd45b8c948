"""`make demo`: the whole product once, through its public API, on the real data plane where there is one."""
