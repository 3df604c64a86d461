"""The tables of the payments service as SQLAlchemy objects; the files in migrations/ create them.

`store` and the RecordTables here build their SQL statements with them.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, DateTime, Integer, MetaData, Numeric, Table, Text, Uuid

from subgraphs.kit.records import RecordTable
from subgraphs.payments.records import EscrowRecord, PaymentRecord, RefundRecord

_METADATA = MetaData()

escrows = Table(
    "escrows",
    _METADATA,
    Column("id", Uuid, primary_key=True),
    Column("booking_id", Uuid),
    Column("request_id", Uuid),
    Column("client_id", Uuid),
    Column("musician_id", Uuid),
    Column("musician_user_id", Uuid),
    Column("amount", Numeric(12, 2)),
    Column("currency", Text),
    Column("status", Text),
    Column("released", Numeric(12, 2)),
    Column("refunded", Numeric(12, 2)),
    Column("version", Integer),
    Column("created_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True)),
)

payments = Table(
    "payments",
    _METADATA,
    Column("id", Uuid, primary_key=True),
    Column("escrow_id", Uuid),
    Column("client_id", Uuid),
    Column("musician_user_id", Uuid),
    Column("amount", Numeric(12, 2)),
    Column("currency", Text),
    Column("status", Text),
    Column("created_at", DateTime(timezone=True)),
    Column("updated_at", DateTime(timezone=True)),
)

refunds = Table(
    "refunds",
    _METADATA,
    Column("id", Uuid, primary_key=True),
    Column("escrow_id", Uuid),
    Column("amount", Numeric(12, 2)),
    Column("reason", Text),
    Column("undone_at", DateTime(timezone=True)),
    Column("created_at", DateTime(timezone=True)),
)

ledger_entries = Table(
    "ledger_entries",
    _METADATA,
    Column("id", BigInteger, primary_key=True),
    Column("transaction_id", Uuid),
    Column("escrow_id", Uuid),
    Column("account", Text),
    Column("amount", Numeric(12, 2)),
    Column("currency", Text),
    Column("created_at", DateTime(timezone=True)),
)

ESCROW_ROWS: Final = RecordTable(escrows, EscrowRecord)
PAYMENT_ROWS: Final = RecordTable(payments, PaymentRecord)
REFUND_ROWS: Final = RecordTable(refunds, RefundRecord)
