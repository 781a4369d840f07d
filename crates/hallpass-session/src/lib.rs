//! One fresh access token: refresh transactions, single flight inside and across processes.
