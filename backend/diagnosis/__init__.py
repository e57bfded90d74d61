"""What `akin doctor` looks at, one part after the other; each finding says what to do."""
