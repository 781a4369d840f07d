//! A person signs in: loopback listener, browser port, registration and the code grant.
