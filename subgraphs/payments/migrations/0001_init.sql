-- The payments service: escrows, what was charged and refunded, and the ledger that has the last word on all of it.

create table escrows (
    id               uuid primary key default gen_random_uuid(),
    booking_id       uuid not null,
    request_id       uuid not null,
    client_id        uuid not null,
    musician_id      uuid not null,
    musician_user_id uuid not null,
    amount           numeric(12, 2) not null check (amount > 0),
    currency         char(3) not null check (currency ~ '^[A-Z]{3}$'),
    status           text not null default 'held' check (status in ('held', 'released', 'refunded', 'partly_refunded')),
    -- what the musician and the client have got out of it
    released         numeric(12, 2) not null default 0 check (released >= 0),
    refunded         numeric(12, 2) not null default 0 check (refunded >= 0),
    version          integer not null default 1,
    created_at       timestamptz not null default now(),
    updated_at       timestamptz not null default now(),
    constraint escrows_pay_out_what_is_there check (released + refunded <= amount),
    constraint escrows_status_agrees check (case status
        when 'held' then released = 0 and refunded = 0
        when 'released' then released = amount
        when 'refunded' then refunded = amount
        else released > 0 and refunded > 0 and released + refunded = amount
    end)
);
-- a booking has one escrow that counts; a refunded one leaves room for another
create unique index escrows_one_for_a_booking on escrows (booking_id) where status <> 'refunded';
create index escrows_of_booking on escrows (booking_id, created_at desc);
create index escrows_of_musician_user on escrows (musician_user_id);

-- The charge of a client; voided when it is as if it had never been.
create table payments (
    id               uuid primary key default gen_random_uuid(),
    escrow_id        uuid not null unique references escrows (id),
    client_id        uuid not null,
    musician_user_id uuid not null,
    amount           numeric(12, 2) not null check (amount > 0),
    currency         char(3) not null,
    status           text not null default 'captured' check (status in ('captured', 'voided')),
    created_at       timestamptz not null default now(),
    updated_at       timestamptz not null default now()
);
create index payments_newest on payments (created_at desc, id desc);
create index payments_of_client on payments (client_id, created_at desc, id desc);
create index payments_of_musician on payments (musician_user_id, created_at desc, id desc);

create table refunds (
    id         uuid primary key default gen_random_uuid(),
    escrow_id  uuid not null references escrows (id),
    amount     numeric(12, 2) not null check (amount > 0),
    reason     text not null,
    -- since when it no longer holds: the money went back into escrow
    undone_at  timestamptz,
    created_at timestamptz not null default now()
);
create index refunds_of_escrow on refunds (escrow_id, created_at, id);

-- Double entry: the entries of a transaction sum up to nothing. What a client's account shows is minus what they have paid.
create table ledger_entries (
    id             bigint generated always as identity primary key,
    transaction_id uuid not null,
    escrow_id      uuid not null references escrows (id),
    account        text not null
                   check (account = 'platform' or account ~ '^(client|escrow|musician):[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$'),
    amount         numeric(12, 2) not null check (amount <> 0),
    currency       char(3) not null,
    created_at     timestamptz not null default now(),
    unique (transaction_id, account)
);
create index ledger_entries_of_account on ledger_entries (account, currency) include (amount);

create function ledger_is_append_only() returns trigger language plpgsql as $$
begin
    raise exception 'entries of the ledger are never changed or deleted: add a transaction that takes them back'
        using errcode = 'integrity_constraint_violation';
end
$$;

create trigger ledger_entries_stay before update or delete on ledger_entries
    for each row execute function ledger_is_append_only();
create trigger ledger_entries_are_not_emptied before truncate on ledger_entries
    for each statement execute function ledger_is_append_only();

create function ledger_transaction_balances() returns trigger language plpgsql as $$
begin
    if exists (select from ledger_entries where transaction_id = new.transaction_id group by currency having sum(amount) <> 0) then
        raise exception 'transaction % of the ledger does not balance', new.transaction_id
            using errcode = 'check_violation', constraint = 'ledger_entries_balance';
    end if;
    return null;
end
$$;

create constraint trigger ledger_entries_balance after insert on ledger_entries
    deferrable initially deferred for each row execute function ledger_transaction_balances();

-- What an escrow says is in it has to be what the ledger says is in it.
create function escrow_agrees_with_ledger() returns trigger language plpgsql as $$
declare
    it escrows;
begin
    if tg_table_name = 'escrows' then
        select * into it from escrows where id = new.id;
    else
        select * into it from escrows where id = new.escrow_id;
    end if;
    if it.amount - it.released - it.refunded
        <> (select coalesce(sum(amount), 0) from ledger_entries where account = 'escrow:' || it.id and currency = it.currency)
    then
        raise exception 'escrow % does not agree with the ledger', it.id
            using errcode = 'check_violation', constraint = 'escrows_agree_with_ledger';
    end if;
    return null;
end
$$;

create constraint trigger escrows_agree_with_ledger after insert or update on escrows
    deferrable initially deferred for each row execute function escrow_agrees_with_ledger();
create constraint trigger ledger_entries_agree_with_escrow after insert on ledger_entries
    deferrable initially deferred for each row when (new.account like 'escrow:%') execute function escrow_agrees_with_ledger();
