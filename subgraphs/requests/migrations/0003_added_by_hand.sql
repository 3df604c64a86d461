-- See the kit's migration 0009.

create trigger added after insert on musician_requests for each row
    execute function row_was_added('musician_request', 'RequestPublished', 'RequestUpdated', 'request_facts');
create trigger added after insert on bookings for each row
    execute function row_was_added('booking', 'BookingMade', 'BookingUpdated', 'booking_facts');
