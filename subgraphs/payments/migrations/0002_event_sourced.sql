-- Escrows are what the events of their streams say. See aggregates.py and the kit's migration 0007.

-- What is published about a row that was changed by hand; the service says the same in messages.py.
create function escrow_facts(it escrows) returns jsonb language sql stable as $$
    select to_jsonb(it) - '{id,created_at,updated_at}'::text[] || jsonb_build_object('escrow_id', it.id)
$$;

select adopt_rows('escrow', 'escrows', 'EscrowCreated');

create trigger recorded before insert or update or delete on escrows for each row
    execute function row_is_recorded('escrow', 'EscrowCreated', 'EscrowUpdated', 'escrow_facts');
create trigger added after insert on escrows for each row
    execute function row_was_added('escrow', 'EscrowCreated', 'EscrowUpdated', 'escrow_facts');
