"""``python -m leanplum_sync`` is ``leanplum-sync``."""

from leanplum_sync.cli import main

if __name__ == "__main__":
    main()
