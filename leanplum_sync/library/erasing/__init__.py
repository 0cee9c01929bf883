"""What follows an erasure: proof, deleting the project's own traces, a search for what is left, and receipts."""
