"""Microsoft Push Notification Service, as documented for Windows Phone 7.0 to 8.1 and switched off in 2018."""
