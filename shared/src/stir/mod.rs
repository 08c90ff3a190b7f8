//! STIR certificates: reading them (RFC 8226, RFC 9060, RFC 9118), and judging
//! whether a chain of them may be relied upon at a given time.
