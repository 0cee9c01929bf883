-- Customers who ordered on or after :since.
SELECT
    customer_id,
    CASE WHEN orders = 1 THEN 'new' WHEN orders <= 3 THEN 'returning' ELSE 'loyal' END AS tier,
    orders,
    spend_usd,
    last_order
FROM customers
WHERE CAST(last_order AS text) >= :since
