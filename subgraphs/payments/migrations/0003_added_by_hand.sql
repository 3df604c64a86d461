-- See the kit's migration 0009.

create trigger added after insert on escrows for each row
    execute function row_was_added('escrow', 'EscrowCreated', 'EscrowUpdated', 'escrow_facts');
