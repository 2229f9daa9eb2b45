"""Shares of servers."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "shares",
        sa.Column("id", _ID, nullable=False),
        sa.Column("server_id", _ID, nullable=False),
        sa.Column("user_id", _ID, nullable=True),
        sa.Column("group_id", _ID, nullable=True),
        sa.Column("scopes", sa.Text(), server_default="[]", nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name=op.f("fk_shares_server_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_shares_user_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["group_id"], ["groups.id"], name=op.f("fk_shares_group_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_shares")),
        sa.UniqueConstraint("server_id", "user_id", name="uq_shares_server_id_user_id"),
        sa.UniqueConstraint("server_id", "group_id", name="uq_shares_server_id_group_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_shares_user_id", "shares", ["user_id"])
    op.create_index("ix_shares_group_id", "shares", ["group_id"])
    op.create_table(
        "share_codes",
        sa.Column("id", _ID, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("server_id", _ID, nullable=False),
        sa.Column("scopes", sa.Text(), server_default="[]", nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("exchange_count", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("last_exchanged_at", sa.BigInteger(), nullable=True),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name=op.f("fk_share_codes_server_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_share_codes")),
        sa.UniqueConstraint("hash", name=op.f("uq_share_codes_hash")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_share_codes_server_id", "share_codes", ["server_id"])
    op.create_index("ix_share_codes_expires_at", "share_codes", ["expires_at"])
