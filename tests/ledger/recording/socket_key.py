"""What the two ends of a writer's socket prove to one another in these tests."""

from __future__ import annotations

import secrets

KEY = secrets.token_bytes(32)
