"""What a listing would find if it were launched now: its audience, its competitors, and what each single change would do."""
