"""What is known of services: the command of a managed one, and how each is."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("services", sa.Column("command", sa.Text(), server_default="[]", nullable=False))
    op.add_column("services", sa.Column("timeout", sa.Float(), server_default="30", nullable=False))
    op.create_table(
        "service_states",
        sa.Column("service_id", _ID, nullable=False),
        sa.Column("run", sa.Text(), server_default="{}", nullable=False),
        sa.Column("health", sa.Text(), server_default="{}", nullable=False),
        sa.Column("restarts_asked", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["service_id"], ["services.id"], name=op.f("fk_service_states_service_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("service_id", name=op.f("pk_service_states")),
    )
