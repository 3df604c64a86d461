"""The matching service: ranks musicians for requests by skills, experience, price and distance."""
