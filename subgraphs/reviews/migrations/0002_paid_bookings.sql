-- Bookings that were paid out through escrow: only those can be reviewed. It comes by the events of payments.
CREATE TABLE paid_bookings (
    booking_id uuid PRIMARY KEY,
    is_paid    boolean NOT NULL,
    -- the version of the escrow in the newest event applied
    version    integer NOT NULL
);
INSERT INTO paid_bookings SELECT booking_id, true, 0 FROM completed_bookings;
