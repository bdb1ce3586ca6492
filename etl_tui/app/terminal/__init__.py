"""The terminal itself: taken, given back in order whatever happens, asked what it is, told of news."""
