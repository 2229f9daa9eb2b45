"""Which roles the authenticator gave, and a quick way to the audit events about one thing."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    for table in ("roles", "user_roles"):
        op.add_column(table, sa.Column("managed", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.create_index("ix_audit_target", "audit", ["target", "action"])
