"""What the programs beside servers report: one row a server."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "server_reports",
        sa.Column("server_id", _ID, nullable=False),
        sa.Column("start_id", sa.Text(), server_default="", nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("ends_at", sa.BigInteger(), nullable=True),
        sa.Column("facts", sa.Text(), server_default="{}", nullable=False),
        sa.Column("log_tail", sa.Text(), server_default="", nullable=False),
        sa.ForeignKeyConstraint(["server_id"], ["servers.id"], name=op.f("fk_server_reports_server_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("server_id", name=op.f("pk_server_reports")),
    )
